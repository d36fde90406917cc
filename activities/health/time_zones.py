"""Checks that PostgreSQL and this worker have the same rules for the companies' time zones.

All local dates, days and quiet hours follow PostgreSQL. A difference means that one of the two has old rules.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.ext.asyncio import AsyncConnection

from activities.health.findings import Findings, Problem, found
from db.clocks import offsets_in_use

CODE = "time_zones_differ"
LOOKED_AT = 366
"""Days from today on: no warning looks further ahead than a year."""
NAMED = 10
"""Most zones that an alert names."""


async def look_at_time_zones(connection: AsyncConnection, now: datetime) -> Findings:
    """Compares the offsets of each zone in use, at noon UTC of each day in the next year. Raises the database's
    errors."""
    noon = now.astimezone(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    moments = [noon + timedelta(days=days) for days in range(LOOKED_AT)]
    offsets = await offsets_in_use(connection, moments)
    return found([CODE], _problem(await asyncio.to_thread(_differing, offsets, moments)))


def _differing(offsets: Mapping[str, Sequence[timedelta]], moments: Sequence[datetime]) -> dict[str, datetime | None]:
    """Returns the zones that differ, each with the first moment of a difference. None: this worker does not know the
    zone."""
    differing: dict[str, datetime | None] = {}
    for zone, there in offsets.items():
        try:
            here = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            differing[zone] = None
            continue
        each = zip(moments, there, strict=True)
        first = next((moment for moment, offset in each if moment.astimezone(here).utcoffset() != offset), None)
        if first is not None:
            differing[zone] = first
    return differing


def _problem(differing: Mapping[str, datetime | None]) -> Problem | None:
    if not differing:
        return None
    named = "\n".join(
        f"- {zone}: {'not known to this worker' if first is None else f'from {first:%Y-%m-%d} or earlier'}"
        for zone, first in list(differing.items())[:NAMED]
    )
    more = f"\n... and {len(differing) - NAMED} more" if len(differing) > NAMED else ""
    count = len(differing)
    return Problem(
        CODE,
        f"Time zone rules differ for {count} {'zone' if count == 1 else 'zones'} of companies",
        f"PostgreSQL and this worker disagree on the offset from UTC:\n{named}{more}\n\n"
        "Companies are told dates and times by PostgreSQL's rules. Update the time zone data of the database server "
        "(the package tzdata, or PostgreSQL itself if it was built with its own) and restart it. If the server's data "
        "is newer than the worker's, update tzdata on the worker's host.\n",
    )
