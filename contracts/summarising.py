"""The payloads of the daily summary: between it and its step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class DailySummaryInput:
    at: datetime | None = None
    """The day before this moment is summarised. None: the moment for which the run was scheduled."""


@dataclass(frozen=True)
class OpenSummaryInput:
    at: datetime
    """The day before this moment is summarised."""


@dataclass(frozen=True)
class DailySummaryResult:
    day: str
    """The day that was summarised, such as 2026-11-24."""
    notification_id: int | None = None
    """None: the summary of this day was opened before, or there is no admin to tell."""
