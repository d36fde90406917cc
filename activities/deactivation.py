"""Switching off what has ended, page by page, and telling the admin where that is not as it should be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio import activity

from activities.alerts import Alerts
from activities.brake import Brake
from activities.rules import deactivation_rules
from contracts.deactivating import DeactivateEndedInput, DeactivateEndedResult
from contracts.keys import NotificationType, give_up_at, item_name, notification_key
from db.items import deactivate, ended
from db.items.deactivate import SwitchedOff
from db.items.ended import EndedItem
from db.record.open import NewNotification, open_notifications
from settings import Settings

NAMED = 20
"""Slugs in an alert, at the most."""
TOO_MANY = "deactivation_too_many"
AUTO_RENEW_ENDED = "auto_renew_ended"
UNTOLD = "deactivated_untold"
"""The problems' codes."""
_TOO_MANY_SUBJECT = "{found} would be switched off, and none was"
_TOO_MANY = """\
{found} items have ended and would be switched off, which is more than SCAN_MAX_NOTICES ({limit}). So none
was.

`python cli.py deactivate --dry-run` lists them. If they are right: `python cli.py deactivate --allow-many`. If they are
not, as after a wrong import, mend the data: the next deactivation looks again.
"""
_AUTO_RENEW_ENDED = """\
These projects are to renew themselves, and are past their end: {slugs}.

They stay on. Find out why they were not renewed; then `python cli.py renew SLUG --until TIME`, or import their new end.
With auto_renew taken from them they are switched off.
"""
_UNTOLD = """\
Of these items no channel has accepted a warning, and DEACTIVATE_HOLD_LIMIT is over, so that they are switched
off: {slugs}.

`python cli.py notifications --type expiring --status undelivered` says why the warnings failed. An item comes back with
`python cli.py renew SLUG --until TIME`.
"""


class DeactivationActivities:
    """The deactivation's step. It may run twice: what is off is not found again."""

    def __init__(self, engine: AsyncEngine, settings: Settings, alerts: Alerts) -> None:
        self._engine = engine
        self._settings = settings
        self._alerts = alerts
        self._brake = Brake(
            alerts, settings.scan_max_notices, problem=TOO_MANY, subject=_TOO_MANY_SUBJECT, message=_TOO_MANY
        )

    @activity.defn
    async def deactivate_ended(self, input: DeactivateEndedInput) -> DeactivateEndedResult:
        """Switches off the next page of what has ended, and opens the notices that say so, in one transaction.

        The first page counts: with more than SCAN_MAX_NOTICES it switches nothing off and alerts the operators.
        """
        return await self.deactivate_ended_at(datetime.now(UTC), input)

    async def deactivate_ended_at(self, now: datetime, input: DeactivateEndedInput) -> DeactivateEndedResult:
        """The same at a given moment."""
        rules = deactivation_rules(self._settings, now)
        async with self._engine.connect() as connection:
            page = await ended.find_ended(connection, rules, input.page_size)
            full = len(page) == input.page_size
            found = await ended.count_ended(connection, rules) if input.first_page and full else len(page)
            auto_renewing = await ended.find_auto_renewing(connection, rules) if input.first_page else []
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
            switched_off = await deactivate.switch_off(connection, rules, page)
            opened = await self._open_notices(connection, switched_off.to_be_told, rules.now)
        return DeactivateEndedResult(len(page), switched_off.projects, switched_off.contents, opened, more=full)

    async def _open_notices(self, connection: AsyncConnection, items: Sequence[SwitchedOff], now: datetime) -> int:
        if not self._settings.notify_on_expired:
            return 0
        limit = self._settings.give_up_after
        new = [_notification(item, now, limit) for item in items]
        return await open_notifications(connection, NotificationType.EXPIRED, new)

    async def _alert_of_untold(self, items: Sequence[EndedItem]) -> None:
        """Before they are switched off: a worker that died after that would never come to it."""
        if not self._settings.deactivate_only_after_notice or not items:
            return
        first = items[0]
        name = f"{item_name(first.project_id, first.ar_content_id)}.{first.ends_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        await self._alerts.alert(
            f"{UNTOLD}.{name}.{len(items)}",  # another page is another problem, which no cooldown may swallow
            f"{len(items)} switched off of which nobody could be told",
            _UNTOLD.format(slugs=named([item.slug for item in items])),
        )

    async def _alert_of_auto_renewing(self, slugs: Sequence[str]) -> None:
        if not slugs:
            await self._alerts.withdraw(AUTO_RENEW_ENDED)
            return
        await self._alerts.alert(
            AUTO_RENEW_ENDED,
            f"{len(slugs)} that should renew themselves are past their end",
            _AUTO_RENEW_ENDED.format(slugs=named(slugs)),
        )


def _notification(item: SwitchedOff, now: datetime, limit: float | None) -> NewNotification:
    name = item_name(item.project_id, item.ar_content_id)
    return NewNotification(
        item.company_id,
        item.project_id,
        item.ar_content_id,
        item.ends_at,
        notification_key(NotificationType.EXPIRED, name, item.ends_at),
        give_up_at(NotificationType.EXPIRED, now, item.ends_at, limit),
    )


def named(slugs: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(slugs) - NAMED
    return ", ".join(slugs[:NAMED]) + (f" and {more} more" if more > 0 else "")
