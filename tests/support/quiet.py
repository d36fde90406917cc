"""Quiet hours around the real now, on a clock that is never put forward or back."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

KOLKATA = ZoneInfo("Asia/Kolkata")
"""Half an hour off every full hour in UTC."""


def quiet_for(ahead: timedelta, now: datetime | None = None) -> dict[str, object]:
    """What makes a company quiet from two hours ago until `ahead` from now, whatever the time of day is."""
    now = (now or datetime.now(KOLKATA)).astimezone(KOLKATA)
    return {"timezone": KOLKATA.key, "quiet_from": _clock(now - timedelta(hours=2)), "quiet_until": _clock(now + ahead)}


def _clock(moment: datetime) -> time:
    return moment.time().replace(microsecond=0)


QUIET_NOW = timedelta(hours=2)
