"""Rows for tests: a platform with companies and projects."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.sending import ALWAYS_DELIVERED
from db.models import ArContent, Company, Contact, Delivery, Notification, Project


def in_days(days: float) -> datetime:
    """In whole seconds, as ends are kept."""
    return (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0)


@dataclass
class Platform:
    """Makes rows with sensible values, of which a test states those it is about."""

    engine: AsyncEngine
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def company(self, **values: Any) -> int:
        """With a contact for each channel of the CSV, of which the values may bear that file's columns."""
        number = next(self._numbers)
        row = {
            "slug": f"company-{number}",
            "name": f"Company {number}",
            "contact_email": f"owner{number}@customer.example",
            "telegram_chat_id": 1000 + number,
            "email_enabled": True,
            "telegram_enabled": True,
        } | values
        contacts = {
            "email": (row.pop("contact_email"), row.pop("email_enabled")),
            "telegram": (row.pop("telegram_chat_id"), row.pop("telegram_enabled")),
        }
        company_id = await self._insert(Company, row)
        for channel, (address, enabled) in contacts.items():
            await self.contact(company_id, channel, None if address is None else str(address), enabled=enabled)
        return company_id

    async def contact(self, company_id: int, channel: str, address: str | None, **values: Any) -> int:
        row = {
            "company_id": company_id,
            "channel": channel,
            "address": address,
            "address_key": None if address is None else address.lower(),
        }
        return await self._insert(Contact, row | values)

    async def readdress(self, channel: str, address: str) -> None:
        """Gives every contact on the channel this address."""
        await self.execute(
            "UPDATE contacts SET address = :address, address_key = lower(:address) WHERE channel = :channel",
            channel=channel,
            address=address,
        )

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

    async def notification(self, project_id: int, **values: Any) -> int:
        """An open notification about the project's end, with a pending delivery to each contact of its company."""
        async with self.engine.connect() as connection:
            project = (await connection.execute(select(Project.__table__).where(Project.id == project_id))).one()
            of_company = select(Contact.channel, Contact.id).where(Contact.company_id == project.company_id)
            contacts = (await connection.execute(of_company.order_by(Contact.id))).all()
        key = f"expiring.project-{project_id}.{next(self._numbers)}"
        row = {
            "company_id": project.company_id,
            "project_id": project_id,
            "notification_type": "expiring",
            "item_ends_at": project.expires_at,
            "threshold_days": 7,
            "days_left": 3,
            "scan_at": datetime.now(UTC),
            "give_up_at": project.expires_at,
            "dedupe_key": key,
            "workflow_id": key,
        }
        notification_id = await self._insert(Notification, row | values)
        without_contact = [(channel, None) for channel in ALWAYS_DELIVERED if channel not in dict(contacts)]
        for channel, contact_id in [*contacts, *without_contact]:
            await self._insert(
                Delivery, {"notification_id": notification_id, "channel": channel, "contact_id": contact_id}
            )
        return notification_id

    async def _insert(
        self, model: type[Company | Contact | Project | ArContent | Notification | Delivery], values: dict[str, Any]
    ) -> int:
        async with self.engine.begin() as connection:
            new_id = await connection.scalar(insert(model).values(**values).returning(model.id))
        return int(new_id or 0)

    async def execute(self, statement: str, **parameters: Any) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(statement), parameters)

    async def scalar(self, statement: str, **parameters: Any) -> Any:
        async with self.engine.connect() as connection:
            return await connection.scalar(text(statement), parameters)

    async def reopen_email(self, *, started: bool) -> None:
        """As `resend` does it in the database; `started`: it has written down too that the workflow was told."""
        await self.execute(
            "UPDATE deliveries SET status = 'pending', reopened_at = now(), finished_at = NULL WHERE channel = 'email'"
        )
        await self.execute(
            "UPDATE notifications SET status = 'open', finished_at = NULL,"
            " started_at = CASE WHEN :started THEN now() END",
            started=started,
        )

    async def rows(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        async with self.engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(text(statement), parameters)).mappings()]

    async def notifications(self) -> list[Any]:
        async with self.engine.connect() as connection:
            return list((await connection.execute(select(Notification.__table__).order_by(Notification.id))).all())

    async def deliveries(self, channel: str | None = None) -> list[Any]:
        statement = select(Delivery.__table__).order_by(Delivery.id)
        if channel is not None:
            statement = statement.where(Delivery.channel == channel)
        async with self.engine.connect() as connection:
            return list((await connection.execute(statement)).all())
