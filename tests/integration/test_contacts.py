"""A company with several contacts, on any channel: who has a delivery, where it goes and how it ends."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.keys import NotificationType
from contracts.scanning import StartableNotification
from contracts.sending import DeliveryStatus, DeliveryToSend, Evidence, Fairness, KnownDelivery, SendResult
from db.operators import problems, suppressions
from db.record import attempt, reopen, settle
from db.record.attempt import SentText
from db.record.claim import Claim, claim_delivery
from db.record.filters import NotificationFilter
from db.record.list import list_flat, read_flat
from db.record.open import (
    AddressedNotification,
    NewNotification,
    OpenedNotification,
    open_addressed,
    open_notifications,
)
from db.record.rules import OpenedDelivery
from db.record.startable import find_startable
from tests.support.data import Platform, in_days

KEY = "expiring.project-1.20261201T000000Z.7d"


class Record:
    """The steps of a notification's life, each in a transaction of its own."""

    def __init__(self, engine: AsyncEngine, platform: Platform) -> None:
        self.engine = engine
        self.platform = platform

    async def open(self, project_id: int) -> int:
        """As a scan opens it."""
        [project] = await self.platform.rows("SELECT * FROM projects WHERE id = :id", id=project_id)
        new = NewNotification(
            company_id=project["company_id"],
            project_id=project_id,
            ar_content_id=None,
            item_ends_at=project["expires_at"],
            dedupe_key=KEY,
            give_up_at=project["expires_at"],
            threshold_days=7,
            days_left=3,
        )
        async with self.engine.begin() as connection:
            return await open_notifications(connection, NotificationType.EXPIRING, [new], in_days(0))

    async def open_addressed(self, **values: Any) -> OpenedNotification:
        new = AddressedNotification(
            notification_type=NotificationType.TEST, dedupe_key="test.1", give_up_at=in_days(1), **values
        )
        async with self.engine.begin() as connection:
            return await open_addressed(connection, new)

    async def deliveries(self) -> list[tuple[str, str | None, str]]:
        """Channel, today's address of the contact, and status, in the order of their ids."""
        rows = await self.platform.rows(
            "SELECT d.channel, contact.address, d.status FROM deliveries d"
            " LEFT JOIN contacts contact ON contact.id = d.contact_id ORDER BY d.id"
        )
        return [tuple(row.values()) for row in rows]

    async def claim(self, delivery_id: int | None, channel: str) -> Claim:
        async with self.engine.begin() as connection:
            claim = await claim_delivery(
                connection,
                (await self.platform.notifications())[0].id,
                channel,
                delivery_id=delivery_id,
                run_id="run",
                attempt=1,
                configured=True,
                resend_in_doubt=True,
                refused_claim=None,
            )
        assert claim is not None
        return claim

    async def startable(self) -> StartableNotification:
        async with self.engine.begin() as connection:
            found = await find_startable(connection, 10, 10, 10, _by_address)
        [notification] = found.notifications
        return notification


def _by_address(_type: NotificationType, company_id: int | None, deliveries: Any) -> list[DeliveryToSend]:
    return [
        DeliveryToSend(each.delivery_id, each.channel, Fairness(f"{company_id} {each.address}")) for each in deliveries
    ]


@pytest.fixture
def record(engine: AsyncEngine, platform: Platform) -> Record:
    return Record(engine, platform)


@pytest.fixture
async def company(platform: Platform) -> int:
    """Two contacts by e-mail, one by SMS and one there that is disabled. They were entered in no order."""
    company = await platform.company(telegram_chat_id=None, contact_email="anna@customer.example")
    await platform.contact(company, "sms", "+47", source="api")
    await platform.contact(company, "sms", "+48", source="api", enabled=False)
    await platform.contact(company, "sms", None, source="import")
    await platform.contact(company, "email", "Bob@customer.example", source="api")
    return company


async def test_each_contact_has_a_delivery_and_each_channel_of_the_flat_record_has_one(
    record: Record, platform: Platform, company: int
) -> None:
    assert await record.open(await platform.project(company)) == 1
    assert await record.deliveries() == [
        ("email", "anna@customer.example", "pending"),
        ("email", "Bob@customer.example", "pending"),
        ("telegram", None, "pending"),
        ("sms", "+47", "pending"),
    ]


async def test_an_address_changes_while_a_scan_opens_deliveries_to_it(
    platform: Platform, engine: AsyncEngine, company: int
) -> None:
    """Neither waits for the other: an import and a scan lock many contacts, in different orders."""
    notification = await platform.notification(await platform.project(company))
    async with engine.connect() as opening:
        await opening.execute(
            text(
                "INSERT INTO deliveries (notification_id, channel, contact_id)"
                " SELECT :notification, 'again', id FROM contacts"
            ),
            {"notification": notification},
        )
        async with asyncio.timeout(30):
            await platform.readdress("telegram", "5")
            await platform.execute("UPDATE contacts SET address = 'x', address_key = 'x' WHERE address = '+47'")
        await opening.commit()


async def test_a_company_without_contacts_has_deliveries_that_say_so(record: Record, platform: Platform) -> None:
    await platform.execute("INSERT INTO companies (slug, name) VALUES ('bare', 'Bare')")
    await record.open(await platform.project(await platform.scalar("SELECT id FROM companies")))
    assert await record.deliveries() == [("email", None, "pending"), ("telegram", None, "pending")]
    assert (await record.claim(None, "email")).reason == "no_address"


async def test_whoever_starts_it_is_told_every_delivery_and_where_it_goes(
    record: Record, platform: Platform, company: int
) -> None:
    await record.open(await platform.project(company))
    ids = [each.id for each in await platform.deliveries()]
    await platform.execute("UPDATE deliveries SET reopened_at = now() WHERE channel IN ('sms', 'email')")
    found = await record.startable()
    assert [(each.delivery_id, each.channel, each.fairness.key) for each in found.deliveries] == [
        (ids[0], "email", f"{company} anna@customer.example"),
        (ids[1], "email", f"{company} Bob@customer.example"),
        (ids[2], "telegram", f"{company} None"),
        (ids[3], "sms", f"{company} +47"),
    ]
    assert found.telegram_fairness.key == f"{company} None"
    assert (found.again, found.reopened, found.reopened_deliveries) == (True, ["email"], [ids[0], ids[1], ids[3]])


async def test_a_claim_takes_the_delivery_that_it_names_and_else_the_channels_first(
    record: Record, platform: Platform, company: int
) -> None:
    await record.open(await platform.project(company))
    first, second, _, sms = [each.id for each in await platform.deliveries()]
    named = await record.claim(second, "email")
    assert (named.delivery_id, named.recipient, named.recipient_key) == (
        second,
        "Bob@customer.example",
        "bob@customer.example",
    )
    assert (await record.claim(None, "email")).delivery_id == first
    claim = await record.claim(sms, "sms")
    assert (claim.channel, claim.recipient, claim.obstacle) == ("sms", "+47", None)
    assert claim.contact_id == await platform.scalar("SELECT contact_id FROM deliveries WHERE id = :id", id=sms)


async def test_the_record_ends_each_delivery_by_its_id_and_what_nobody_knows_without_a_result(
    record: Record, platform: Platform, engine: AsyncEngine, company: int
) -> None:
    await record.open(await platform.project(company))
    first, second, telegram, sms = [each.id for each in await platform.deliveries()]
    rejected = SendResult(DeliveryStatus.REJECTED, "no_such_user")
    known = [
        KnownDelivery(sms, "sms", SendResult(DeliveryStatus.ACCEPTED, evidence=Evidence("9", "ok"))),
        KnownDelivery(second, "email", rejected),
        KnownDelivery(telegram, "telegram", rejected),
    ]
    [notification] = await platform.notifications()
    async with engine.begin() as connection:
        recorded = await settle.record(connection, notification.id, known)
    assert recorded is not None
    outcome = recorded.result
    assert recorded.ended == outcome.deliveries
    assert [(each.delivery_id, each.status, each.reason) for each in outcome.deliveries] == [
        (first, "failed", "no_result"),
        (second, "rejected", "no_such_user"),
        (telegram, "rejected", "no_such_user"),
        (sms, "accepted", None),
    ]
    assert (outcome.status, outcome.email, outcome.telegram) == ("delivered", "failed", "rejected")
    assert (await platform.deliveries("sms"))[0].provider_id == "9"


async def test_the_flat_record_has_one_row_a_notification(
    record: Record, platform: Platform, engine: AsyncEngine, company: int
) -> None:
    await record.open(await platform.project(company))
    [notification] = await platform.notifications()
    await platform.execute(
        "UPDATE deliveries SET status = CASE WHEN id % 2 = (SELECT max(id) % 2 FROM deliveries WHERE channel = 'email')"
        " THEN 'accepted' ELSE 'failed' END"
    )
    async with engine.connect() as connection:
        [row] = await list_flat(connection, NotificationFilter(), 10)
        one = await read_flat(connection, notification.id)
    assert row["email_sent"] is True
    assert one is not None
    of_one = {"deliveries", "texts_removed_at"}
    assert {name: value for name, value in one.items() if name not in of_one} == dict(row)
    assert [each["channel"] for each in one["deliveries"]] == ["email", "email", "telegram", "sms"]


async def test_left_unsaid_it_is_opened_again_to_the_contacts_of_the_new_company(
    record: Record, platform: Platform, company: int
) -> None:
    project = await platform.project(company)
    await record.open(project)
    ids = [each.id for each in await platform.deliveries()]
    await platform.execute("UPDATE deliveries SET status = 'skipped', reason = 'moved', finished_at = now()")
    await platform.execute("UPDATE notifications SET status = 'undelivered', finished_at = now()")
    other = await platform.company(contact_email="new@customer.example", telegram_chat_id=5)
    await platform.contact(other, "sms", "+1", source="api")
    await platform.contact(other, "sms", "+2", source="api")
    await platform.execute("UPDATE projects SET company_id = :other", other=other)
    assert await record.open(project) == 1
    assert await record.deliveries() == [
        ("email", "new@customer.example", "pending"),
        ("email", "Bob@customer.example", "skipped"),
        ("telegram", "5", "pending"),
        ("sms", "+1", "pending"),
        ("sms", "+2", "pending"),
    ]
    assert [each.id for each in await platform.deliveries()][:4] == ids
    assert (await record.startable()).reopened == ["email", "telegram"]
    assert await record.open(project) == 0


async def test_what_nobody_takes_over_opens_nothing_again(record: Record, platform: Platform, company: int) -> None:
    project = await platform.project(company)
    await record.open(project)
    await platform.execute("UPDATE deliveries SET status = 'skipped', reason = 'moved', finished_at = now()")
    await platform.execute("UPDATE notifications SET status = 'undelivered', finished_at = now()")
    other = await platform.company(contact_email="new@customer.example", telegram_chat_id=5)
    await platform.execute("UPDATE projects SET company_id = :other", other=other)
    assert await record.open(project) == 1
    await platform.execute(
        "UPDATE deliveries SET status = 'skipped', reason = 'suppressed', finished_at = now() WHERE status = 'pending'"
    )
    await platform.execute("UPDATE notifications SET status = 'undelivered', finished_at = now()")
    assert await record.open(project) == 0


async def test_left_unsaid_and_the_same_company_each_contact_keeps_its_delivery(
    record: Record, platform: Platform, company: int
) -> None:
    project = await platform.project(company)
    await record.open(project)
    await platform.execute("UPDATE deliveries SET status = 'skipped', reason = 'renewed', finished_at = now()")
    await platform.execute("UPDATE notifications SET status = 'undelivered', finished_at = now()")
    await platform.execute("DELETE FROM contacts WHERE address = 'anna@customer.example'")
    await platform.contact(company, "email", "carl@customer.example", source="api")
    assert await record.open(project) == 1
    assert await record.deliveries() == [
        ("email", "carl@customer.example", "pending"),
        ("email", "Bob@customer.example", "pending"),
        ("telegram", None, "pending"),
        ("sms", "+47", "pending"),
    ]


async def test_recipients_of_its_own_are_the_only_ones_that_are_sent(record: Record, platform: Platform) -> None:
    opened = await record.open_addressed(
        recipients={"sms": "+4 7", "telegram": "@Anna"}, recipient_keys={"sms": "+47", "telegram": "@anna"}
    )
    assert [(each.channel, each.status, each.reason) for each in await platform.deliveries()] == [
        ("email", "skipped", "not_requested"),
        ("telegram", "pending", None),
        ("sms", "pending", None),
    ]
    _, telegram, sms = [each.id for each in await platform.deliveries()]
    assert opened.deliveries == [OpenedDelivery(telegram, "telegram", "@Anna"), OpenedDelivery(sms, "sms", "+4 7")]
    [notification] = await platform.notifications()
    assert notification.metadata == {
        "sms_recipient": "+4 7",
        "sms_recipient_key": "+47",
        "telegram_recipient": "@Anna",
    }
    keys = [(await record.claim(each.delivery_id, each.channel)).recipient_key for each in opened.deliveries]
    assert keys == ["@anna", "+47"]


@pytest.mark.parametrize("has_new", [False, True], ids=["unknown", "known already"])
async def test_a_moved_address_is_changed_wherever_it_stands(
    record: Record, platform: Platform, engine: AsyncEngine, company: int, has_new: bool
) -> None:
    twin = await platform.company(telegram_chat_id=None)
    await platform.contact(twin, "sms", "+47", source="api")
    if has_new:
        await platform.contact(twin, "sms", "+99", source="api")
    await record.open(await platform.project(company))
    claim = await record.claim(None, "sms")
    async with engine.begin() as connection:
        await attempt.move_recipient(connection, claim, "+9 9", "+99")
    assert (await record.claim(None, "sms")).recipient == "+9 9"
    assert await platform.rows(
        "SELECT address, address_key, enabled FROM contacts WHERE company_id = :twin AND channel = 'sms' ORDER BY id",
        twin=twin,
    ) == (
        [
            {"address": "+47", "address_key": "+47", "enabled": False},
            {"address": "+99", "address_key": "+99", "enabled": True},
        ]
        if has_new
        else [{"address": "+9 9", "address_key": "+99", "enabled": True}]
    )


async def test_a_moved_recipient_of_its_own_gets_its_new_key_too(
    record: Record, platform: Platform, engine: AsyncEngine
) -> None:
    await record.open_addressed(recipients={"sms": "+4 7"}, recipient_keys={"sms": "+47"})
    claim = await record.claim(None, "sms")
    async with engine.begin() as connection:
        await attempt.move_recipient(connection, claim, "+99", "+99")
    [notification] = await platform.notifications()
    assert notification.metadata == {"sms_recipient": "+99"}
    assert (await record.claim(None, "sms")).recipient_key == "+99"


async def test_a_suppressed_address_is_found_by_its_key_and_stops_every_company_that_has_it(
    record: Record, platform: Platform, engine: AsyncEngine, company: int
) -> None:
    twin = await platform.company()
    await platform.contact(twin, "sms", "+4-7", address_key="+47", source="api")
    await record.open(await platform.project(company))
    sms = await record.claim(None, "sms")
    async with engine.begin() as connection:
        await suppressions.suppress(connection, sms.delivery_id, sms.recipient_key, "number_gone", "no such number")
        await suppressions.suppress(connection, sms.delivery_id, None, "number_gone", "nothing to suppress")
    assert (await record.claim(None, "sms")).reason == "suppressed"
    slugs = [row["slug"] for row in await platform.rows("SELECT slug FROM companies ORDER BY slug")]
    async with engine.begin() as connection:
        [listed] = await suppressions.list_suppressions(connection, 10, "sms")
        subject = await reopen.read(connection, sms.delivery_id)
    assert (listed["address"], listed["companies"]) == ("+47", slugs)
    assert subject is not None
    assert (subject.channel, subject.recipient, subject.suppressed) == ("sms", "+47", "number_gone")
    assert [each.channel for each in subject.deliveries] == ["email", "email", "telegram", "sms"]
    async with engine.begin() as connection:
        assert await suppressions.lift(connection, "sms", "+47", "anna", "it is theirs again")


async def test_problems_are_about_a_channel_and_not_known_by_their_codes(
    record: Record, platform: Platform, engine: AsyncEngine, company: int
) -> None:
    await record.open(await platform.project(company))
    await platform.execute("UPDATE notifications SET started_at = now()")
    await platform.execute("UPDATE deliveries SET reason = 'gateway_401' WHERE channel = 'sms'")
    async with engine.begin() as connection:
        for code, channel in (("gateway_401", "sms"), ("smtp_535", "email"), ("gateway_away", "sms"), ("disk", None)):
            assert await problems.raise_problem(connection, code, "x", timedelta(hours=1), channel)
        assert await problems.find_refusals(connection, {"gateway_away"}) == [
            problems.Refusal("gateway_401", "sms", waits=True),
            problems.Refusal("smtp_535", "email", waits=False),
        ]
        assert {row["code"]: row["channel"] for row in await problems.find_lasting(connection)} == {
            "gateway_401": "sms",
            "smtp_535": "email",
            "gateway_away": "sms",
            "disk": None,
        }


async def test_an_acceptance_by_any_channel_delivers_the_notification(
    record: Record, platform: Platform, engine: AsyncEngine, company: int
) -> None:
    await record.open(await platform.project(company))
    claim = await record.claim(None, "sms")
    async with engine.begin() as connection:
        assert await attempt.mark_sending(connection, claim, SentText(None, "It ends."))
        await attempt.accept(connection, claim, "1", "ok")
        recorded = await settle.record(connection, (await platform.notifications())[0].id, [])
    assert recorded is not None
    assert recorded.result.status == "delivered"
