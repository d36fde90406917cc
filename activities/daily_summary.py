"""Reads the daily summary from the record, and tells it to the operators."""

from __future__ import annotations

from datetime import UTC, date, datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio import activity

from activities.alerts import Alerts
from activities.due_items import COUNTED_UP_TO
from activities.rules import due_rules
from activities.schedule_times import NextScan
from channels.configured import admin_recipients, configured_channels
from contracts.keys import key_of_summary
from contracts.summarising import DailySummaryResult, OpenSummaryInput
from db.items.due import count_due
from db.operators.summary import DaySummary, find_days, read_summary
from settings import Settings
from texts.summary import SummaryTexts


class SummaryActivities:
    """The daily summary's only step. A day is told once, however often the step runs."""

    def __init__(
        self, engine: AsyncEngine, settings: Settings, alerts: Alerts, next_scan: NextScan, texts: SummaryTexts
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._alerts = alerts
        self._next_scan = next_scan
        self._texts = texts

    @activity.defn
    async def open_daily_summary(self, input: OpenSummaryInput) -> DailySummaryResult:
        """Opens the summary of the day before `input.at`, and starts its workflow. Without an admin it opens none."""
        reading = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        async with reading.connect() as connection:
            summary = await summarise(connection, self._settings, self._next_scan, at=input.at)
        notification_id = None
        if admin_recipients(self._settings):
            notification_id = await self._alerts.open_once(
                key_of_summary(summary.day),
                self._texts.subject(summary),
                self._texts.text(summary),
                {"summary": summary.day.isoformat(), "locale": self._texts.locale},
            )
        return DailySummaryResult(summary.day.isoformat(), notification_id)


async def summarise(
    connection: AsyncConnection, settings: Settings, next_scan: NextScan, *, at: datetime, day: date | None = None
) -> DaySummary:
    """Reads the summary of `day`, or without one of the day before `at`. Reads only.

    What is due today is what the record has opened today, and what the next scan finds, if it is today; else what a
    scan would find now.
    """
    now, zone = datetime.now(UTC), settings.expiry_scan_timezone
    scan_at = await next_scan(now)
    days = await find_days(connection, zone, scan_at, at=at, day=day)
    looks_at = scan_at if days.scan_is_today else now
    rules = due_rules(settings, looks_at, looks_at, await next_scan(looks_at))
    still_due = await count_due(connection, rules, COUNTED_UP_TO)
    channels = [channel.name for channel in configured_channels(settings)]
    return await read_summary(connection, zone, days, channels, still_due)
