"""Deactivates what has ended, page by page, and alerts the operators about items that look wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio import activity

from activities.alerts import Alerts
from activities.brake import Brake
from activities.metrics import OPENED, PAGE_ITEMS, meter_here
from activities.rules import deactivation_rules
from contracts.deactivating import DeactivateEndedInput, DeactivateEndedResult
from contracts.keys import NotificationType, give_up_at, item_name, notification_key
from db.items import deactivate, ended
from db.items.deactivate import DeactivatedItem
from db.items.ended import EndedItem
from db.record.open import NewNotification, open_notifications
from settings import Settings

NAMED = 20
"""Most slugs in an alert."""
TOO_MANY = "deactivation_too_many"
AUTO_RENEW_ENDED = "auto_renew_ended"
UNTOLD = "deactivated_untold"
"""The problems' codes."""
_TOO_MANY_SUBJECT = "Nothing was deactivated: {found} items have ended"
_TOO_MANY = """\
{found} items have ended, more than SCAN_MAX_NOTICES ({limit}). So none was deactivated.

List the items with `python cli.py deactivate --dry-run`. If they are right, run
`python cli.py deactivate --allow-many`. If they are wrong, for example after a wrong import, correct the data. The next
deactivation looks again.
"""
_AUTO_RENEW_ENDED = """\
These projects should renew themselves, but are past their end: {slugs}.

They stay active. Find out why they were not renewed. Then run `python cli.py renew SLUG --until TIME`, or import their
new end. If you import them without auto_renew, they are deactivated.
"""
_UNTOLD = """\
These items are deactivated although their companies were not notified of the end: {slugs}.

DEACTIVATE_HOLD_LIMIT has passed and no channel had accepted a notification. To see why, run
`python cli.py notifications --type expiring --status undelivered`. To reactivate a project, run
`python cli.py renew SLUG --until TIME`.
"""


class DeactivationActivities:
    """The deactivation's step. Safe to run twice: deactivated items are not found again."""

    def __init__(self, engine: AsyncEngine, settings: Settings, alerts: Alerts) -> None:
        self._engine = engine
        self._settings = settings
        self._alerts = alerts
        self._brake = Brake(
            alerts, settings.scan_max_notices, problem=TOO_MANY, subject=_TOO_MANY_SUBJECT, message=_TOO_MANY
        )

    @activity.defn
    async def deactivate_ended(self, input: DeactivateEndedInput) -> DeactivateEndedResult:
        """Deactivates the next page of ended items and opens their notifications, in one transaction.

        The first page counts all ended items. If that is more than SCAN_MAX_NOTICES, it deactivates nothing and alerts
        the operators.
        """
        return await self.deactivate_ended_at(datetime.now(UTC), input)

    async def deactivate_ended_at(self, now: datetime, input: DeactivateEndedInput) -> DeactivateEndedResult:
        """Does the same as `deactivate_ended`, at a given moment."""
        rules = deactivation_rules(self._settings, now)
        async with self._engine.connect() as connection:
            page = await ended.find_ended(connection, rules, input.page_size)
            full = len(page) == input.page_size
            found = await ended.count_ended(connection, rules) if input.first_page and full else len(page)
            auto_renewing = await ended.find_auto_renewing(connection, rules) if input.first_page else []
        PAGE_ITEMS.record(meter_here(), len(page), page="ended")
        if input.first_page:
            await self._alert_of_auto_renewing(auto_renewing)
        found += input.found_before
        if self._brake.stops(found, allow_many=input.allow_many):
            await self._brake.alert(found)
            return DeactivateEndedResult(found, 0, 0, 0, more=False, too_many=True)
        if input.first_page:
            await self._brake.release()
        await self._alert_of_untold([item for item in page if not item.told])
        async with self._engine.begin() as connection:
            deactivated = await deactivate.deactivate_page(connection, rules, page)
            opened = await self._open_notifications(connection, deactivated.to_be_told, rules.now)
        OPENED.add(meter_here(), opened, notification_type=NotificationType.EXPIRED.value)
        return DeactivateEndedResult(len(page), deactivated.projects, deactivated.contents, opened, more=full)

    async def _open_notifications(
        self, connection: AsyncConnection, items: Sequence[DeactivatedItem], now: datetime
    ) -> int:
        if not self._settings.notify_on_expired:
            return 0
        limit, kept_for = self._settings.give_up_after, self._settings.record_kept_for
        # Whether the company was told of an older end is not on record any more, so it is not told again.
        on_record = [item for item in items if kept_for is None or item.ends_at > now - kept_for]
        new = [_notification(item, now, limit) for item in on_record]
        return await open_notifications(connection, NotificationType.EXPIRED, new)

    async def _alert_of_untold(self, items: Sequence[EndedItem]) -> None:
        """Alerts about items whose company was not notified. Runs before they are deactivated: a worker that died
        in between would otherwise never alert."""
        if not self._settings.deactivate_only_after_notice or not items:
            return
        first = items[0]
        name = f"{item_name(first.project_id, first.ar_content_id)}.{first.ends_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        await self._alerts.alert(
            f"{UNTOLD}.{name}.{len(items)}",  # each page is a problem of its own, so that no cooldown suppresses it
            f"{len(items)} deactivated without a notification before",
            _UNTOLD.format(slugs=join_slugs([item.slug for item in items])),
        )

    async def _alert_of_auto_renewing(self, slugs: Sequence[str]) -> None:
        if not slugs:
            await self._alerts.withdraw(AUTO_RENEW_ENDED)
            return
        await self._alerts.alert(
            AUTO_RENEW_ENDED,
            f"Auto-renewal failed for {len(slugs)} {'project' if len(slugs) == 1 else 'projects'}",
            _AUTO_RENEW_ENDED.format(slugs=join_slugs(slugs)),
        )


def _notification(item: DeactivatedItem, now: datetime, limit: float | None) -> NewNotification:
    name = item_name(item.project_id, item.ar_content_id)
    return NewNotification(
        item.company_id,
        item.project_id,
        item.ar_content_id,
        item.ends_at,
        notification_key(NotificationType.EXPIRED, name, item.ends_at),
        give_up_at(NotificationType.EXPIRED, now, item.ends_at, limit),
    )


def join_slugs(slugs: Sequence[str]) -> str:
    """Returns the first slugs, and how many more there are."""
    more = len(slugs) - NAMED
    return ", ".join(slugs[:NAMED]) + (f" and {more} more" if more > 0 else "")
