"""What goes after TEXTS_KEEP_DAYS and RECORD_KEEP_DAYS, and what stays because it still matters."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from activities.retention import RetentionActivities
from contracts.keys import NotificationType
from contracts.retention import RemoveRecordsInput, RemoveTextsInput
from db.operators import suppressions
from db.record import bounced, reopen, retention
from db.record.bounced import Bounce, FailedRecipient, Proof
from db.record.open import AddressedNotification, open_addressed
from settings import Settings, SettingsError
from tests.support.aging import age
from tests.support.data import Platform
from tests.support.deactivations import Deactivations
from tests.support.settings_for import MakeSettings

SUBJECT, BODY, HTML = "Harbour Walk ends soon", "Dear Anna,\nit ends.", "<p>Dear Anna, it ends.</p>"
SENT = (
    "UPDATE deliveries SET status = 'accepted', attempts = 1, recipient = 'anna@customer.example', subject = :subject,"
    " body = :body, body_html = :html, provider_id = '<key@own.example>', finished_at = now(),"
    " provider_reply = '250 2.0.0 Ok: queued for anna@customer.example'"
)
LONG_AGO = datetime.now(UTC) - timedelta(days=900)


class Keeping:
    """The retention's steps with 100 days for texts and 400 for rows."""

    def __init__(self, engine: AsyncEngine, make_settings: MakeSettings) -> None:
        self.settings = make_settings(texts_keep_days=100, record_keep_days=400)
        self.activities = RetentionActivities(engine, self.settings)

    async def texts(self) -> int:
        return (await self.activities.remove_texts(RemoveTextsInput(pages=10))).notifications

    async def records(self) -> int:
        return (await self.activities.remove_records(RemoveRecordsInput(pages=10))).notifications


@pytest.fixture
def keeping(engine: AsyncEngine, make_settings: MakeSettings) -> Keeping:
    return Keeping(engine, make_settings)


async def told(platform: Platform, **values: Any) -> int:
    """A notification that was delivered just now, about a project that is over."""
    project = await platform.project(await platform.company(), **{"status": "expired"} | values)
    notification = await platform.notification(project)
    await platform.execute(SENT, subject=SUBJECT, body=BODY, html=HTML)
    await platform.execute("UPDATE notifications SET status = 'delivered', finished_at = now(), subject = 'for Anna'")
    return notification


async def test_texts_go_and_the_fact_stays(platform: Platform, keeping: Keeping) -> None:
    await told(platform)
    await age(platform, 101)
    [before] = await platform.deliveries("email")
    assert await keeping.texts() == 1
    [notification], [after] = await platform.notifications(), await platform.deliveries("email")
    assert (notification.subject, notification.message, notification.metadata) == (None, None, {})
    assert (notification.status, notification.dedupe_key is not None) == ("delivered", True)
    gone = ("recipient", "subject", "body", "body_html")
    assert [getattr(after, column) for column in gone] == [None] * 4
    assert after.provider_reply == "250 2.0.0"
    assert after.text_sha256 == hashlib.sha256(f"{SUBJECT}\n\n{BODY}".encode()).digest()
    assert after.html_sha256 == hashlib.sha256(HTML.encode()).digest()
    changed = {*gone, "provider_reply", "text_sha256", "html_sha256"}
    kept = set(before._fields) - changed
    assert {column: getattr(after, column) for column in kept} == {column: getattr(before, column) for column in kept}
    assert await keeping.texts() == 0


@pytest.mark.parametrize(("status", "days"), [("open", 500), ("delivered", 99)], ids=["still open", "not old enough"])
async def test_other_texts_stay(platform: Platform, keeping: Keeping, status: str, days: int) -> None:
    await told(platform)
    await age(platform, days)
    await platform.execute("UPDATE notifications SET status = :status", status=status)
    assert await keeping.texts() == 0
    assert (await platform.deliveries("email"))[0].body == BODY


async def test_what_was_sent_again_has_texts_again_and_loses_them_in_its_turn(
    platform: Platform, keeping: Keeping
) -> None:
    await told(platform)
    await age(platform, 101)
    await keeping.texts()
    await platform.execute(SENT, subject=SUBJECT, body="another", html=None)
    await platform.execute("UPDATE notifications SET finished_at = now()")
    assert await keeping.texts() == 0
    await age(platform, 101)
    assert await keeping.texts() == 1
    [email] = await platform.deliveries("email")
    assert (email.body, email.html_sha256) == (None, None)
    assert email.text_sha256 == hashlib.sha256(f"{SUBJECT}\n\nanother".encode()).digest()


async def test_what_a_late_bounce_says_goes_too(platform: Platform, keeping: Keeping, engine: AsyncEngine) -> None:
    await told(platform)
    await age(platform, 101)
    await keeping.texts()
    [before] = await platform.deliveries("email")
    [notification] = await platform.notifications()
    failed = FailedRecipient(frozenset({"anna@customer.example"}), "5.1.1 smtp; no such user anna", gone=True)
    await platform.execute("UPDATE deliveries SET provider_id = :id", id=f"<{notification.dedupe_key}@own.example>")
    bounce = Bounce((failed,), f"<{notification.dedupe_key}@own.example>", None, None)
    async with engine.begin() as connection:
        assert await bounced.apply_bounce(connection, bounce, "email") is bounced.Result.UNPROVEN
    assert "anna" in (await platform.deliveries("email"))[0].provider_reply
    assert await keeping.texts() == 1
    [email] = await platform.deliveries("email")
    assert (email.status, email.reason, email.provider_reply) == ("rejected", "bounce_unproven", "5.1.1")
    assert email.text_sha256 == before.text_sha256


async def test_an_unsubscribe_link_and_a_tag_work_while_the_contact_has_the_address(
    platform: Platform, keeping: Keeping, engine: AsyncEngine
) -> None:
    await told(platform)
    await age(platform, 101)
    await keeping.texts()
    [address] = await platform.rows("SELECT address FROM contacts WHERE channel = 'email'")
    [email] = await platform.deliveries("email")
    async with engine.connect() as connection:
        addressee = await suppressions.read_addressee(connection, email.id, "email")
    assert addressee is not None
    assert addressee.recipient == address["address"]
    proof = Proof(email.id, lambda recipient: recipient == address["address"])
    async with engine.connect() as connection:
        assert await bounced._find_proven(connection, [proof], "email") is not None


async def test_providers_words_about_addresses_go_and_the_suppression_stays(
    platform: Platform, keeping: Keeping
) -> None:
    await platform.execute(
        "INSERT INTO suppressions (channel, address, reason, provider_reply) VALUES"
        " ('email', 'a@b.example', 'smtp_rcpt_550', '550 5.1.1 <a@b.example> unknown'),"
        " ('telegram', '77', 'telegram_403', 'Forbidden: blocked by Anna')"
    )
    await platform.execute(
        "INSERT INTO interventions (action, operator, why, address) VALUES"
        " ('unsuppress', 'bob', 'Anna rang', 'a@b.example'), ('erase', 'bob', 'Anna asked', NULL)"
    )
    await age(platform, 101)
    await keeping.texts()
    assert await platform.rows("SELECT address, provider_reply FROM suppressions ORDER BY channel") == [
        {"address": "a@b.example", "provider_reply": "550 5.1.1"},
        {"address": "77", "provider_reply": None},
    ]
    assert await platform.rows("SELECT action, why, address FROM interventions ORDER BY id") == [
        {"action": "unsuppress", "why": "Anna rang", "address": None},
        {"action": "erase", "why": "Anna asked", "address": None},
    ]
    await age(platform, 300)
    await keeping.records()
    assert await platform.rows("SELECT action FROM interventions") == [{"action": "erase"}]


async def test_rows_go_with_all_that_hangs_on_them(platform: Platform, keeping: Keeping) -> None:
    notification = await told(platform)
    await platform.execute(
        "INSERT INTO suppressions (channel, address, reason, notification_id)"
        " VALUES ('email', 'a@b.example', 'x', :id)",
        id=notification,
    )
    await age(platform, 600)
    assert await keeping.records() == 1
    assert await platform.scalar("SELECT (SELECT count(*) FROM notifications) + (SELECT count(*) FROM deliveries)") == 0
    assert await platform.rows("SELECT address, notification_id FROM suppressions") == [
        {"address": "a@b.example", "notification_id": None}
    ]


STILL_NEEDED = {
    "open": "UPDATE notifications SET status = 'open'",
    "in doubt": "UPDATE notifications SET status = 'in_doubt'",
    "one of its deliveries in doubt": "UPDATE deliveries SET status = 'unknown' WHERE channel = 'telegram'",
    "its end is to come": "UPDATE notifications SET item_ends_at = now() + interval '1 day'",
    "its end is not past for long": "UPDATE notifications SET item_ends_at = now() - interval '399 days'",
    "its item is active with this end": "UPDATE projects SET status = 'active'",
    "not old enough": "UPDATE notifications SET finished_at = now() - interval '399 days'",
}


@pytest.mark.parametrize("change", STILL_NEEDED.values(), ids=STILL_NEEDED)
async def test_what_still_matters_stays(platform: Platform, keeping: Keeping, change: str) -> None:
    await told(platform)
    await age(platform, 600)
    await platform.execute(change)
    assert await keeping.records() == 0
    assert len(await platform.deliveries()) == 2


async def test_the_row_of_active_content_stays(platform: Platform, keeping: Keeping) -> None:
    await told(platform)
    [project] = await platform.rows("SELECT id, company_id FROM projects")
    content = await platform.content(project["company_id"], project["id"], expires_at=datetime.now(UTC))
    await platform.execute(
        "UPDATE notifications SET ar_content_id = :id, item_ends_at = (SELECT expires_at FROM ar_contents)", id=content
    )
    await age(platform, 600)
    assert await keeping.records() == 0
    await platform.execute("UPDATE ar_contents SET is_active = false")
    assert await keeping.records() == 1


async def test_former_ends_of_an_active_item_go(platform: Platform, keeping: Keeping) -> None:
    await told(platform, status="active")
    await age(platform, 600)
    await platform.execute("UPDATE projects SET expires_at = now() + interval '200 days'")
    assert await keeping.records() == 1


async def test_an_end_that_is_not_on_record_any_more_is_not_told_again(
    platform: Platform, make_settings: MakeSettings, deactivations: Deactivations
) -> None:
    """An import makes a project active again whose end is years ago: its row is gone."""
    await platform.project(await platform.company(), expires_at=LONG_AGO)
    await platform.project(await platform.company(), expires_at=datetime.now(UTC) - timedelta(days=399))
    page = await deactivations.with_settings(record_keep_days=400).page(datetime.now(UTC))
    assert (page.projects, page.opened) == (2, 1)


async def test_without_settings_nothing_is_removed(platform: Platform, engine: AsyncEngine, settings: Settings) -> None:
    await told(platform)
    await age(platform, 5000)
    activities = RetentionActivities(engine, settings)
    assert (await activities.remove_texts(RemoveTextsInput(9))).notifications == 0
    assert (await activities.remove_records(RemoveRecordsInput(9))).notifications == 0
    assert (await platform.deliveries("email"))[0].body == BODY


async def test_pages_take_everything_once_and_skip_what_others_have_locked(
    platform: Platform, keeping: Keeping, engine: AsyncEngine
) -> None:
    project = await platform.project(await platform.company(), status="expired")
    ids = [await platform.notification(project) for _ in range(7)]
    await platform.execute(SENT, subject=SUBJECT, body=BODY, html=HTML)
    await platform.execute("UPDATE notifications SET status = 'delivered', finished_at = now()")
    await age(platform, 600)
    keeping.activities._page_size = 2
    async with engine.begin() as other:
        locked = ids[3]
        lock = "SELECT FROM deliveries WHERE notification_id = :id AND channel = 'telegram' FOR UPDATE"
        await other.execute(text(lock), {"id": locked})
        async with asyncio.timeout(30):  # it would wait for ever
            assert await keeping.texts() == 6
            assert await keeping.records() == 6
        assert [each.id for each in await platform.notifications()] == [locked]
    assert (await keeping.texts(), await keeping.records()) == (1, 1)


async def test_a_page_that_takes_too_long_is_halved(
    platform: Platform, keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    await told(platform)
    await told(platform)
    await age(platform, 101)
    monkeypatch.setattr(retention, "MOST_MILLISECONDS", 100)
    keeping.activities._page_size = 2
    await platform.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(0.03); RETURN NEW; END $$;"
    )
    await platform.execute("CREATE TRIGGER slow BEFORE UPDATE ON deliveries FOR EACH ROW EXECUTE FUNCTION slow()")
    with capture_logs() as logged:
        assert await keeping.texts() == 2
    assert {"event": "retention_page_halved", "log_level": "warning", "page_size": 1} in logged


async def test_a_test_whose_recipient_is_gone_is_not_sent_again(
    platform: Platform, keeping: Keeping, engine: AsyncEngine
) -> None:
    new = AddressedNotification(NotificationType.TEST, "test.1", datetime.now(UTC), {"email": "a@b.example"}, {}, "Hi")
    async with engine.begin() as connection:
        await open_addressed(connection, new)
    await platform.execute("UPDATE notifications SET status = 'delivered', finished_at = now()")
    await age(platform, 101)
    async with engine.begin() as connection:
        [first, _] = await platform.deliveries()
        subject = await reopen.read(connection, first.id)
    assert subject is not None
    assert not subject.text_is_gone
    assert await keeping.texts() == 1
    async with engine.begin() as connection:
        subject = await reopen.read(connection, first.id)
    assert subject is not None
    assert (subject.text_is_gone, subject.recipient) == (True, None)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"texts_keep_days": 400, "record_keep_days": 399}, "must not be less than TEXTS_KEEP_DAYS"),
        ({"record_keep_days": 30, "expiry_cooldown_hours": 721}, "must not be less than EXPIRY_COOLDOWN_HOURS"),
        ({"texts_keep_days": 29}, "TEXTS_KEEP_DAYS"),
    ],
)
def test_settings_that_would_remove_too_much_are_refused(values: dict[str, object], line: str) -> None:
    with pytest.raises(SettingsError, match=line):
        Settings.load(**values)
