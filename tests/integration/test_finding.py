"""Finding notifications and deliveries: the same filters in the commands and in the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from channels.recipients import recipients_named
from db.models import Notification
from db.record.filters import DeliveryFilter, NotificationFilter, of_notifications
from db.record.list import find_ids
from settings import Settings
from tests.support.calling_api import NOBODY_LISTENS, calling, temporal_at
from tests.support.command_line import cli
from tests.support.data import Platform


@dataclass(frozen=True)
class Record:
    """Three companies. `old` ended six hours ago, `failed` an hour ago, and `open` has not ended; each has two
    deliveries."""

    http: httpx.AsyncClient
    environment: dict[str, str]
    ids: dict[str, Any]

    async def notifications(self, **filters: Any) -> list[str]:
        return await self._found("notifications", **filters)

    async def deliveries(self, **filters: Any) -> list[str]:
        return await self._found("deliveries", **filters)

    async def _found(self, what: str, **filters: Any) -> list[str]:
        """What the API finds, newest first, by the names of the notifications."""
        answer = await self.http.get(f"/{what}", params=filters)
        assert answer.status_code == 200, answer.text
        key = "id" if what == "notifications" else "notification_id"
        names = {value: name for name, value in self.ids.items()}
        return [names[item[key]] for item in answer.json()["items"]]


@pytest.fixture
async def record(
    platform: Platform, settings: Settings, engine: AsyncEngine, database_url: str
) -> AsyncIterator[Record]:
    ids: dict[str, Any] = {}
    for name, opened, ended in (("old", 7, 6), ("failed", 2, 1), ("open", 0, None)):
        company = await platform.company(slug=f"company-{name}", contact_email=f"Anna.{name}@Customer.example")
        project = await platform.project(company, slug=f"project-{name}")
        content = await platform.content(company, project, slug=f"content-{name}")
        ids[name] = await platform.notification(
            project, status="open" if ended is None else "undelivered", ar_content_id=content if name == "old" else None
        )
        await platform.execute(
            "UPDATE notifications SET created_at = now() - :opened * interval '1 hour' WHERE id = :id",
            opened=opened,
            id=ids[name],
        )
        await platform.execute(
            "UPDATE deliveries SET created_at = now() - :opened * interval '1 hour',"
            " finished_at = now() - CAST(:ended AS integer) * interval '1 hour', recipient = CASE channel"
            " WHEN 'email' THEN (SELECT address FROM contacts WHERE id = contact_id) ELSE '-10077' END"
            " WHERE notification_id = :id",
            opened=opened,
            ended=ended,
            id=ids[name],
        )
    await platform.execute(
        "UPDATE deliveries SET status = 'failed', reason = 'smtp_away'"
        " WHERE notification_id = :id AND channel = 'email'",
        id=ids["failed"],
    )
    async with calling(settings, engine, await temporal_at(NOBODY_LISTENS)) as http:
        yield Record(http, {"DATABASE_URL": database_url}, ids)


NOTIFICATIONS: list[tuple[dict[str, str], str]] = [
    ({"company": "company-old"}, "old"),
    ({"project": "project-failed"}, "failed"),
    ({"content": "content-old"}, "old"),
    ({"content": "content-open"}, ""),
    ({"reason": "smtp_away"}, "failed"),
    ({"reason": "smtp_away", "channel": "telegram"}, ""),
    ({"channel": "telegram"}, "open failed old"),
    ({"recipient": "anna.old@customer.EXAMPLE"}, "old"),
    ({"recipient": "anna.old@customer.example", "channel": "email", "company": "company-old"}, "old"),
    ({"recipient": "bob@customer.example"}, ""),
    ({"recipient": "-10077"}, "open failed old"),
    ({"recipient": "-10077", "reason": "smtp_away"}, ""),
    ({"since": "-3h"}, "open failed"),
    ({"until": "-3h"}, "old"),
    ({"since": "-8h", "until": "-90m"}, "failed old"),
    ({"until": "-8h"}, ""),
    ({"since": "2020-01-01T00:00:00Z", "company": "company-failed"}, "failed"),
    ({"company": "company-old", "project": "project-failed"}, ""),
]


async def test_notifications_are_found(record: Record) -> None:
    found = [(filters, " ".join(await record.notifications(**filters))) for filters, _ in NOTIFICATIONS]
    assert found == NOTIFICATIONS


DELIVERIES: list[tuple[dict[str, str], str]] = [
    ({"company": "company-old"}, "old old"),
    ({"project": "project-failed", "channel": "email"}, "failed"),
    ({"content": "content-old", "channel": "email"}, "old"),
    ({"reason": "smtp_away"}, "failed"),
    ({"status": "failed"}, "failed"),
    ({"status": "pending", "company": "company-open"}, "open open"),
    ({"recipient": "anna.old@customer.EXAMPLE"}, "old"),
    ({"recipient": "-10077"}, "open failed old"),
    ({"since": "-90m", "channel": "email"}, "open failed"),
    ({"until": "-30m", "channel": "email"}, "failed old"),
    ({"since": "-8h", "until": "-90m", "channel": "email"}, "old"),
]


async def test_deliveries_are_found(record: Record) -> None:
    found = [(filters, " ".join(await record.deliveries(**filters))) for filters, _ in DELIVERIES]
    assert found == DELIVERIES


async def test_a_recipient_is_the_same_person_however_it_is_spelled(record: Record, platform: Platform) -> None:
    """A delivery keeps the address as it was written; the contact may be written otherwise today."""
    await platform.execute("UPDATE contacts SET address = 'ANNA.OLD@customer.example' WHERE address LIKE 'Anna.old%'")
    for spelled in ("Anna.old@Customer.example", "ANNA.OLD@CUSTOMER.EXAMPLE", " anna.old@customer.example "):
        assert await record.deliveries(recipient=spelled) == ["old"]


async def test_an_id_is_as_good_as_a_slug_and_a_slug_of_digits_comes_first(record: Record, platform: Platform) -> None:
    company = await platform.scalar("SELECT id FROM companies WHERE slug = 'company-failed'")
    project = await platform.scalar("SELECT id FROM projects WHERE slug = 'project-failed'")
    content = await platform.scalar("SELECT id FROM ar_contents WHERE slug = 'content-old'")
    assert await record.notifications(company=company) == ["failed"]
    assert await record.notifications(project=project) == ["failed"]
    assert await record.notifications(content=content) == ["old"]
    await platform.execute("UPDATE companies SET slug = :digits WHERE slug = 'company-old'", digits=str(company))
    assert await record.notifications(company=company) == ["old"]


async def test_deliveries_come_in_pages_without_their_texts(record: Record) -> None:
    pages: list[list[dict[str, Any]]] = []
    cursor: str | None = None
    while not pages or cursor:
        query: dict[str, Any] = {"limit": 4} | ({"cursor": cursor} if cursor else {})
        answer = (await record.http.get("/deliveries", params=query)).json()
        pages.append(answer["items"])
        cursor = answer["next_cursor"]
    assert [len(page) for page in pages] == [4, 2]
    ids = [item["id"] for page in pages for item in page]
    assert ids == sorted(ids, reverse=True)
    first = pages[0][0]
    assert (first["company_slug"], first["project_slug"], first["status"]) == (
        "company-open",
        "project-open",
        "pending",
    )
    assert not {"body", "subject", "message"} & first.keys()


WRONG = [
    ("/notifications?channel=pigeon", "channel", "is not a channel: choose from email, telegram"),
    ("/deliveries?recipient=nobody", "recipient", "'nobody' is not an address on any channel: email, telegram"),
    ("/deliveries?channel=telegram&recipient=a@b.example", "recipient", "is not a Telegram chat id"),
    ("/deliveries?recipient=a%00@b.example", "recipient", "NUL"),
    ("/notifications?since=yesterday", "since", "'yesterday' is not a time"),
    ("/notifications?until=2026-01-01T00:00:00", "until", "has no offset"),
    ("/deliveries?status=nosuch", "status", ""),
    ("/deliveries?cursor=x", "cursor", "is not a cursor"),
    ("/deliveries?nosuch=x", "nosuch", ""),
]


async def test_a_wrong_parameter_is_named(record: Record) -> None:
    for path, field, said in WRONG:
        answer = await record.http.get(path)
        assert answer.status_code == 422, path
        [error] = answer.json()["errors"]
        assert error["field"] == field
        assert said in error["reason"]


async def test_the_commands_have_the_same_filters(record: Record) -> None:
    async def found(*arguments: str) -> list[int]:
        ended = await cli(*arguments, "--json", environment=record.environment)
        assert ended.status == 0, ended.err
        return [each.get("notification_id", each["id"]) for each in ended.json["items"]]

    only_failed = ("--reason", "smtp_away", "--company", "company-failed", "--project", "project-failed")
    times = ("--since", "-3h", "--until", "-30m")
    recipient = ("--recipient", "ANNA.failed@customer.example", "--channel", "email")
    assert await found("notifications", *only_failed, *times, *recipient) == [record.ids["failed"]]
    assert await found("deliveries", *only_failed, *times, *recipient, "--status", "failed") == [record.ids["failed"]]
    assert await found("deliveries", "--content", "content-old", "--recipient", "-10077") == [record.ids["old"]]


NAMING_NOTHING = [
    (("notifications", "--company", "nosuch"), "cli: there is no company 'nosuch': give its slug or its id\n"),
    (("notifications", "--project", "nosuch"), "cli: there is no project 'nosuch': give its slug or its id\n"),
    (("notifications", "--content", "nosuch"), "cli: there is no AR content 'nosuch': give its slug or its id\n"),
    (("deliveries", "--company", "987654"), "cli: there is no company '987654': give its slug or its id\n"),
    (("deliveries", "--notification", "999999"), "cli: there is no notification 999999\n"),
]


@pytest.mark.parametrize(("arguments", "said"), NAMING_NOTHING)
async def test_a_name_that_does_not_exist_is_a_wrong_argument(
    database_url: str, arguments: tuple[str, ...], said: str
) -> None:
    ended = await cli(*arguments, "--json", environment={"DATABASE_URL": database_url})
    assert (ended.status, ended.out, ended.err) == (2, "", said)


async def test_an_address_on_no_channel_is_a_wrong_argument() -> None:
    ended = await cli("deliveries", "--recipient", "nobody")
    assert ended.status == 2
    assert "'nobody' is not an address on any channel: email, telegram" in ended.err


def test_an_address_is_read_by_every_channel_that_takes_it() -> None:
    assert [each.channel for each in recipients_named("77")] == ["telegram"]
    assert [each.key for each in recipients_named("Anna@Customer.example")] == ["anna@customer.example"]


HOUR = timedelta(hours=1)


@pytest.mark.parametrize("newer", [0, 3], ids=["nothing is newer", "newer ones"])
async def test_until_finds_what_was_written_late_by_a_transaction_that_began_early(
    platform: Platform, engine: AsyncEngine, newer: int
) -> None:
    """It waited for a lock while a scan opened more than a page. So its ids are the highest, and its time the first."""
    project = await platform.project(await platform.company(contact_email="anna@customer.example"))
    until = datetime.now(UTC) - 12 * HOUR
    for count, first in ((1001, until - HOUR / 2), (2, until - HOUR), (newer, until + 2 * HOUR)):
        await platform.execute(
            "WITH opened AS ("
            "    INSERT INTO notifications (company_id, project_id, notification_type, status, dedupe_key, workflow_id,"
            "        give_up_at, created_at, finished_at)"
            "    SELECT 1, :project, 'expiring', 'undelivered', :key || i, 'x', now(), at, at"
            "    FROM generate_series(1, :count) i,"
            "        LATERAL (SELECT CAST(:first AS timestamptz) + i * interval '1 second') moments (at)"
            "    ORDER BY i RETURNING id, created_at"
            ") INSERT INTO deliveries (notification_id, channel, status, reason, created_at)"
            "  SELECT id, 'email', 'failed', 'gave_up', created_at FROM opened ORDER BY id",
            project=project,
            key=f"{first.isoformat()}.",
            count=count,
            first=first,
        )
    async with engine.connect() as connection:
        newest_first = select(Notification.id).order_by(Notification.id.desc())
        found = (await connection.scalars(newest_first.where(*of_notifications(NotificationFilter(until=until))))).all()
        deliveries = await find_ids(connection, DeliveryFilter(until=until))
    assert list(found) == list(range(1003, 0, -1))
    assert deliveries == list(range(1, 1004))
