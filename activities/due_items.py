"""Finding what is due and handing over what stands open. Database only."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio import activity

from activities.alerts import Alerts
from activities.rules import due_rules, new_warning
from contracts.keys import NotificationType, give_up_at
from contracts.scanning import OpenDueInput, OpenDueResult, TakeStartableInput, TakeStartableResult
from db.items import due
from db.record import startable
from db.record.open import NewNotification, open_notifications
from settings import Settings
from temporal.rate_limits import chat_fairness

COUNTED_UP_TO = 1_000_000
TOO_MANY = "scan_too_many"
"""The problem's code."""
_TOO_MANY = """\
The companies of {found} items are due to be told, which is more than SCAN_MAX_NOTICES ({limit}). So no notice was
opened. What earlier scans had opened is sent.

`python cli.py scan --dry-run` lists them. If they are right: `python cli.py scan --allow-many`. If they are not, as
after a wrong import, mend the data: the next scan looks again.
"""

log = structlog.get_logger(__name__)


class DueItemActivities:
    """The scan's steps. Every method may run twice: what is open already stays, and is handed over again."""

    def __init__(self, engine: AsyncEngine, settings: Settings, alerts: Alerts) -> None:
        self._engine = engine
        self._settings = settings
        self._alerts = alerts

    @activity.defn
    async def open_due_notifications(self, input: OpenDueInput) -> OpenDueResult:
        """Opens a notification for each item of the next page, in one transaction.

        The first page counts all: with more due than SCAN_MAX_NOTICES it opens none and alerts the operators. So does a
        later one, if more has become due meanwhile.
        """
        rules = due_rules(self._settings, datetime.now(UTC), input.scan_at)
        async with self._engine.begin() as connection:
            items = await due.find_due(connection, rules, input.page_size, input.after or due.FIRST_PAGE)
            is_first = input.after is None
            found = await self._count(connection, rules, items, input.page_size) if is_first else len(items)
            found += input.found_before
            too_many = not input.allow_many and found > self._settings.scan_max_notices
            new = [] if too_many else [self._notification(item, rules.now) for item in items]
            opened = await open_notifications(connection, NotificationType.EXPIRING, new, input.scan_at)
        if too_many:
            return await self._too_many(found)
        if is_first:
            await self._alerts.over(TOO_MANY)
        return OpenDueResult(
            found=len(items),
            opened=opened,
            next_page=items[-1].cursor if len(items) == input.page_size else None,
        )

    async def _count(
        self, connection: AsyncConnection, rules: due.DueRules, first_page: list[due.DueItem], page_size: int
    ) -> int:
        """All that is due; counted only where the first page does not tell."""
        if len(first_page) < page_size:
            return len(first_page)
        return await due.count_due(connection, rules, COUNTED_UP_TO)

    async def _too_many(self, found: int) -> OpenDueResult:
        limit = self._settings.scan_max_notices
        log.error("scan_too_many", found=found, limit=limit)
        await self._alerts.alert(
            TOO_MANY,
            f"The scan would open {found} notices and opened none",
            _TOO_MANY.format(found=found, limit=limit),
        )
        return OpenDueResult(found=found, opened=0, next_page=None, too_many=True)

    def _notification(self, item: due.DueItem, now: datetime) -> NewNotification:
        return new_warning(item, give_up_at(NotificationType.EXPIRING, now, item.ends_at, self._settings.give_up_after))

    @activity.defn
    async def take_startable(self, input: TakeStartableInput) -> TakeStartableResult:
        """Writes down what was started and returns what is to be started next, as far as there is room."""
        async with self._engine.begin() as connection:
            if input.started:
                await startable.mark_started(connection, input.started)
            return await startable.find_startable(
                connection,
                input.limit,
                in_all=self._settings.scan_max_in_flight,
                per_company=self._settings.scan_max_in_flight_per_company,
                chat_fairness=chat_fairness(self._settings),
            )
