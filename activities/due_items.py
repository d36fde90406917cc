"""Finding what is due and handing over what stands open. Database only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity

from contracts import (
    NotificationType,
    OpenDueInput,
    OpenDueResult,
    PageCursor,
    TakeStartableInput,
    TakeStartableResult,
    give_up_at,
    notification_key,
)
from db import due, fan_out
from rate_limits import chat_fairness
from settings import Settings

LAST_CHANCE_MARGIN = timedelta(hours=1)
"""A scan takes its time: an item that ends within this after the next scan cannot wait for it."""


class DueItemActivities:
    """The scan's steps. Every method may run twice: what is open already stays, and is handed over again."""

    def __init__(self, engine: AsyncEngine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings

    @activity.defn
    async def open_due_notifications(self, input: OpenDueInput) -> OpenDueResult:
        """Opens a notification for each item of the next page, in one transaction."""
        rules = due_rules(self._settings, datetime.now(UTC), input.scan_at)
        async with self._engine.begin() as connection:
            items = await due.find_due(connection, rules, input.page_size, input.after or due.FIRST_PAGE)
            opened = await due.open_expiring(
                connection,
                [self._notification(item, rules.now) for item in items],
                input.scan_at,
            )
        last = items[-1] if len(items) == input.page_size else None
        return OpenDueResult(
            found=len(items),
            opened=opened,
            next_page=PageCursor(last.ends_at, last.project_id) if last else None,
        )

    def _notification(self, item: due.DueItem, now: datetime) -> due.NewNotification:
        return due.NewNotification(
            item=item,
            dedupe_key=notification_key(
                NotificationType.EXPIRING, f"project-{item.project_id}", item.ends_at, item.threshold_days
            ),
            give_up_at=give_up_at(NotificationType.EXPIRING, now, item.ends_at, self._settings.give_up_after),
        )

    @activity.defn
    async def take_startable(self, input: TakeStartableInput) -> TakeStartableResult:
        """Writes down what was started and returns what is to be started next, as far as there is room."""
        async with self._engine.begin() as connection:
            if input.started:
                await fan_out.mark_started(connection, input.started)
            return await fan_out.find_startable(
                connection,
                input.limit,
                in_all=self._settings.scan_max_in_flight,
                per_company=self._settings.scan_max_in_flight_per_company,
                chat_fairness=chat_fairness(self._settings),
            )


def due_rules(settings: Settings, now: datetime, scan_at: datetime) -> due.DueRules:
    """The rules of a scan meant for `scan_at` that looks at the items at `now`."""
    zone = ZoneInfo(settings.expiry_scan_timezone)
    next_scan = next(CronSim(settings.expiry_scan_cron, now.astimezone(zone)))
    return due.DueRules(
        now=now,
        last_chance_before=next_scan + LAST_CHANCE_MARGIN,
        default_thresholds=settings.expiry_thresholds_days,
        # On the clock of the schedule: two scans at nine are a day apart, also when that day has 23 hours.
        cooling_since=(scan_at.astimezone(zone) - timedelta(hours=settings.expiry_cooldown_hours)).astimezone(UTC),
    )
