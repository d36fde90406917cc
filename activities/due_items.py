"""Opens notifications for due items, and returns open notifications to start. Uses only the database."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio import activity

from activities.alerts import Alerts
from activities.brake import Brake
from activities.metrics import OPENED, PAGE_ITEMS, meter_here
from activities.rules import due_rules, new_warning
from activities.schedule_times import NextScan
from channels.configured import deliveries_to_send
from contracts.keys import NotificationType, give_up_at
from contracts.scanning import OpenDueInput, OpenDueResult, TakeStartableInput, TakeStartableResult
from db.items import due
from db.record import startable
from db.record.open import NewNotification, open_notifications
from settings import Settings

COUNTED_UP_TO = 1_000_000
TOO_MANY = "scan_too_many"
"""The problem's code."""
_TOO_MANY_SUBJECT = "The scan opened no notification: {found} items are due"
_TOO_MANY = """\
{found} items are due, more than SCAN_MAX_NOTICES ({limit}). So this scan opened no notification. Notifications that
were opened before are still sent.

List the items with `python cli.py scan --dry-run`. If they are right, run `python cli.py scan --allow-many`. If they
are wrong, for example after a wrong import, correct the data. The next scan looks again.
"""


class DueItemActivities:
    """The scan's steps. Each is safe to run twice: open notifications are kept and returned again."""

    def __init__(self, engine: AsyncEngine, settings: Settings, alerts: Alerts, next_scan: NextScan) -> None:
        self._engine = engine
        self._settings = settings
        self._next_scan = next_scan
        self._brake = Brake(
            alerts, settings.scan_max_notices, problem=TOO_MANY, subject=_TOO_MANY_SUBJECT, message=_TOO_MANY
        )

    @activity.defn
    async def open_due_notifications(self, input: OpenDueInput) -> OpenDueResult:
        """Opens a notification for each item of the next page, in one transaction.

        The first page counts everything that is due. If that is more than SCAN_MAX_NOTICES, it opens none and alerts
        the operators. A later page does the same if more has become due meanwhile.
        """
        now = datetime.now(UTC)
        rules = due_rules(self._settings, now, input.scan_at, await self._next_scan(now))
        async with self._engine.begin() as connection:
            items = await due.find_due(connection, rules, input.page_size, input.after or due.FIRST_PAGE)
            is_first = input.after is None
            found = await self._count(connection, rules, items, input.page_size) if is_first else len(items)
            found += input.found_before
            too_many = self._brake.stops(found, allow_many=input.allow_many)
            new = [] if too_many else [self._notification(item, rules.now) for item in items]
            opened = await open_notifications(connection, NotificationType.EXPIRING, new, input.scan_at)
        PAGE_ITEMS.record(meter_here(), len(items), page="due")
        OPENED.add(meter_here(), opened, notification_type=NotificationType.EXPIRING.value)
        if too_many:
            await self._brake.alert(found)
            return OpenDueResult(found=found, opened=0, next_page=None, too_many=True)
        if is_first:
            await self._brake.release()
        return OpenDueResult(
            found=len(items),
            opened=opened,
            next_page=items[-1].cursor if len(items) == input.page_size else None,
        )

    async def _count(
        self, connection: AsyncConnection, rules: due.DueRules, first_page: list[due.DueItem], page_size: int
    ) -> int:
        """Counts all due items. A first page that is not full has all of them."""
        if len(first_page) < page_size:
            return len(first_page)
        return await due.count_due(connection, rules, COUNTED_UP_TO)

    def _notification(self, item: due.DueItem, now: datetime) -> NewNotification:
        return new_warning(item, give_up_at(NotificationType.EXPIRING, now, item.ends_at, self._settings.give_up_after))

    @activity.defn
    async def take_startable(self, input: TakeStartableInput) -> TakeStartableResult:
        """Records what was started, and returns what to start next, as much as there is room for."""
        async with self._engine.begin() as connection:
            if input.started:
                await startable.mark_started(connection, input.started)
            return await startable.find_startable(
                connection,
                input.limit,
                in_all=self._settings.scan_max_in_flight,
                per_company=self._settings.scan_max_in_flight_per_company,
                to_send=deliveries_to_send(self._settings),
            )
