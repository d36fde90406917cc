"""Scans at a time of the test's choosing: the queries alone, so that nothing depends on today."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from activities.rules import due_rules, new_warning
from activities.schedule_times import predicted_scan
from contracts.keys import NotificationType
from contracts.scanning import PageCursor
from db.items import due
from db.items.due import DueItem
from db.record.open import open_notifications
from settings import Settings


def at(moment: str) -> datetime:
    """`2026-06-15T12:00` in UTC, or with the offset it bears."""
    parsed = datetime.fromisoformat(moment)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


@dataclass(frozen=True)
class DueScans:
    """Finds and opens what is due, as `open_due_notifications` does."""

    engine: AsyncEngine
    settings: Settings

    def with_settings(self, **values: object) -> DueScans:
        return replace(self, settings=self.settings.model_copy(update=values))

    def with_thresholds(self, *days: int) -> DueScans:
        return self.with_settings(expiry_thresholds_days=list(days))

    async def find(
        self, now: datetime, scan_at: datetime | None = None, page_size: int = 100, after: PageCursor = due.FIRST_PAGE
    ) -> list[DueItem]:
        """What a scan meant for `scan_at` finds when it looks at `now`."""
        rules = due_rules(self.settings, now, scan_at or now, predicted_scan(self.settings, now))
        async with self.engine.connect() as connection:
            return await due.find_due(connection, rules, page_size, after)

    async def open(self, now: datetime, scan_at: datetime | None = None, page_size: int = 100) -> list[tuple[int, int]]:
        """Opens what is found; returns the threshold and the days left of each."""
        items = await self.find(now, scan_at, page_size)
        new = [new_warning(item, item.ends_at) for item in items]
        async with self.engine.begin() as connection:
            opened = await open_notifications(connection, NotificationType.EXPIRING, new, scan_at or now)
        assert opened == len(new)
        return [(item.threshold_days, item.days_left) for item in items]
