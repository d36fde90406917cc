"""Rows for tests: a platform with companies and projects."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.models import ArContent, Company, Delivery, Notification, Project


def in_days(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


@dataclass
class Platform:
    """Makes rows with sensible values, of which a test states those it is about."""

    engine: AsyncEngine
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def company(self, **values: Any) -> int:
        number = next(self._numbers)
        row = {
            "slug": f"company-{number}",
            "name": f"Company {number}",
            "contact_email": f"owner{number}@customer.example",
            "telegram_chat_id": 1000 + number,
        }
        return await self._insert(Company, row | values)

    async def project(self, company_id: int, **values: Any) -> int:
        number = next(self._numbers)
        row = {
            "slug": f"project-{number}",
            "company_id": company_id,
            "name": f"Project {number}",
            "expires_at": in_days(3),
        }
        return await self._insert(Project, row | values)

    async def content(self, company_id: int, project_id: int, **values: Any) -> int:
        number = next(self._numbers)
        row = {
            "slug": f"content-{number}",
            "company_id": company_id,
            "project_id": project_id,
            "title": f"Content {number}",
        }
        return await self._insert(ArContent, row | values)

    async def _insert(self, model: type[Company | Project | ArContent], values: dict[str, Any]) -> int:
        async with self.engine.begin() as connection:
            new_id = await connection.scalar(insert(model).values(**values).returning(model.id))
        return int(new_id or 0)

    async def execute(self, statement: str, **parameters: Any) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(statement), parameters)

    async def scalar(self, statement: str, **parameters: Any) -> Any:
        async with self.engine.connect() as connection:
            return await connection.scalar(text(statement), parameters)

    async def notifications(self) -> list[Any]:
        async with self.engine.connect() as connection:
            return list((await connection.execute(select(Notification.__table__).order_by(Notification.id))).all())

    async def deliveries(self, channel: str | None = None) -> list[Any]:
        statement = select(Delivery.__table__).order_by(Delivery.id)
        if channel is not None:
            statement = statement.where(Delivery.channel == channel)
        async with self.engine.connect() as connection:
            return list((await connection.execute(statement)).all())
