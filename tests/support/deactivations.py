"""Deactivations at a time of the test's choosing, without a workflow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from activities.alerts import Alerts
from activities.deactivation import DeactivationActivities
from activities.rules import deactivation_rules
from contracts.deactivating import DeactivateEndedInput, DeactivateEndedResult
from contracts.scanning import StartableNotification
from db.items import deactivate, ended
from db.items.deactivate import DeactivatedPage
from db.items.ended import EndedItem
from settings import Settings
from tests.support.data import Platform


async def _start_nothing(_alert: StartableNotification) -> None:
    pass


@dataclass(frozen=True)
class Deactivations:
    """Deactivates what has ended, as `deactivate_ended` does."""

    platform: Platform
    settings: Settings

    def with_settings(self, **values: object) -> Deactivations:
        return replace(self, settings=self.settings.model_copy(update=values))

    async def page(
        self, now: datetime, page_size: int = 100, *, first_page: bool = True, allow_many: bool = False
    ) -> DeactivateEndedResult:
        alerts = Alerts(self.platform.engine, self.settings, _start_nothing)
        activities = DeactivationActivities(self.platform.engine, self.settings, alerts)
        return await activities.deactivate_ended_at(now, DeactivateEndedInput(page_size, first_page, allow_many))

    async def find(self, now: datetime) -> list[EndedItem]:
        """What a page looks at."""
        async with self.platform.engine.connect() as connection:
            return await ended.find_ended(connection, deactivation_rules(self.settings, now), 100)

    async def deactivate(self, now: datetime, page: list[EndedItem]) -> DeactivatedPage:
        """What it then does, after whatever has happened in between."""
        async with self.platform.engine.begin() as connection:
            return await deactivate.deactivate_page(connection, deactivation_rules(self.settings, now), page)

    async def projects(self) -> dict[str, str]:
        """Each project's status, with a star where this application has deactivated it."""
        return await self._states("SELECT slug, status AS state, deactivated_at FROM projects ORDER BY id")

    async def contents(self) -> dict[str, str]:
        """The same of AR content, which is on or off."""
        return await self._states(
            "SELECT slug, CASE WHEN is_active THEN 'on' ELSE 'off' END AS state, deactivated_at"
            " FROM ar_contents ORDER BY id"
        )

    async def _states(self, statement: str) -> dict[str, str]:
        rows = await self.platform.rows(statement)
        return {row["slug"]: row["state"] + ("*" if row["deactivated_at"] else "") for row in rows}

    async def notices(self) -> list[str]:
        """The keys of the notices of what has ended."""
        return [each.dedupe_key for each in await self._of_type("expired")]

    async def alerts(self) -> list[Any]:
        return await self._of_type("alert")

    async def _of_type(self, wanted: str) -> list[Any]:
        return [each for each in await self.platform.notifications() if each.notification_type == wanted]
