"""Renewals without the command or the API around them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from db.items.renew import Renewal, renew_project
from tests.support.data import Platform


@dataclass(frozen=True)
class Renewals:
    platform: Platform

    async def __call__(self, slug: str, until: datetime, now: datetime | None = None) -> Renewal:
        async with self.platform.engine.begin() as connection:
            return await renew_project(connection, slug, until, now or datetime.now(UTC), "anna", "they paid")
