"""The migrations lead from nothing to the tables that the code knows, and back, with what is in them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.keys import NotificationType, is_about_an_item
from db.engine import create_engine
from db.migrate import downgrade, upgrade
from db.models import Base
from db.revision import newest_revision
from local.embedded.postgres import EmbeddedPostgres
from settings import Settings
from tests.support.data import Platform

NEWEST = newest_revision()
BEFORE_CONTACTS = "0003"


@pytest.fixture
async def empty(postgres: EmbeddedPostgres) -> AsyncIterator[Settings]:
    await postgres.create_database("empty")
    yield Settings(database_url=postgres.database_url("empty"))
    await postgres.drop_database("empty")


@pytest.fixture
async def connected(empty: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(empty, "test")
    yield engine
    await engine.dispose()


@pytest.fixture
def tables(connected: AsyncEngine) -> Platform:
    return Platform(connected)


@pytest.fixture
async def filled(empty: Settings, tables: Platform) -> Platform:
    """A database of release 0.3.0 with companies of every sort, notifications and problems."""
    await upgrade(empty, BEFORE_CONTACTS)
    await tables.execute(
        "INSERT INTO companies (slug, name, contact_email, telegram_chat_id, email_enabled, telegram_enabled) VALUES"
        " ('both', 'x', 'Anna@Customer.example', -1001234, true, true),"
        " ('silent', 'x', NULL, NULL, false, true),"
        " ('off', 'x', 'off@customer.example', 77, true, false)"
    )
    await tables.execute(
        "INSERT INTO notifications (company_id, notification_type, subject, give_up_at, dedupe_key, workflow_id)"
        " SELECT id, 'expiring', slug, now(), slug, slug FROM companies"
        " UNION ALL SELECT NULL, 'test', 'test', now(), 'test', 'test'"
    )
    await tables.execute(
        "INSERT INTO deliveries (notification_id, channel, status)"
        " SELECT id, channel, CASE channel WHEN 'email' THEN 'accepted' ELSE 'failed' END"
        " FROM notifications CROSS JOIN unnest(ARRAY['email', 'telegram']) AS channel ORDER BY id, channel"
    )
    await tables.execute("INSERT INTO suppressions (channel, address, reason) VALUES ('telegram', '77', 'bot_blocked')")
    await tables.execute(
        "INSERT INTO problems (code, subject) SELECT code, 'x' FROM"
        " unnest(ARRAY['smtp_away', 'unsubscribe_secret_missing', 'telegram_bot_token_missing', 'disk_full']) AS code"
    )
    return tables


async def test_up_from_empty_gives_the_tables_of_the_models(empty: Settings, connected: AsyncEngine) -> None:
    assert await upgrade(empty) == (None, NEWEST)
    assert await differences(connected) == []


async def test_the_database_knows_every_type_and_which_are_about_an_item(
    empty: Settings, connected: AsyncEngine
) -> None:
    await upgrade(empty)
    async with connected.begin() as connection:
        constraint = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :name"
        check = await connection.scalar(text(constraint), {"name": "ck_notifications_notification_type"})
        assert set(re.findall("'([a-z]+)'", str(check))) == {each.value for each in NotificationType}
        await connection.execute(text("INSERT INTO pauses (operator, why) VALUES ('anna', 'a bad text')"))
        for each in NotificationType:
            held = await connection.scalar(
                text("SELECT held_until(:type, 'infinity', 'UTC', NULL, NULL) IS NOT NULL"), {"type": each.value}
            )
            assert held is is_about_an_item(each)


async def test_up_a_second_time_changes_nothing(empty: Settings) -> None:
    await upgrade(empty)
    assert await upgrade(empty) == (NEWEST, NEWEST)


async def test_back_down_leaves_nothing_behind(empty: Settings, connected: AsyncEngine) -> None:
    await upgrade(empty)
    assert await downgrade(empty) == (NEWEST, None)
    async with connected.connect() as connection:
        left = await connection.scalars(
            text("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')")
        )
        assert list(left) == ["alembic_version"]


async def test_a_migrated_database_takes_the_way_down_and_up_again(empty: Settings) -> None:
    await upgrade(empty)
    await downgrade(empty)
    assert await upgrade(empty) == (None, NEWEST)


async def test_addresses_become_contacts_to_which_the_deliveries_go(empty: Settings, filled: Platform) -> None:
    flat = await filled.rows("SELECT * FROM notifications_flat ORDER BY id")
    assert await upgrade(empty) == (BEFORE_CONTACTS, NEWEST)
    assert await differences(filled.engine) == []
    assert await contacts(filled) == [
        ("both", "email", "Anna@Customer.example", "anna@customer.example", True),
        ("both", "telegram", "-1001234", "-1001234", True),
        ("silent", "email", None, None, False),
        ("silent", "telegram", None, None, True),
        ("off", "email", "off@customer.example", "off@customer.example", True),
        ("off", "telegram", "77", "77", False),
    ]
    assert await filled.scalar("SELECT count(*) FROM contacts WHERE source = 'import' AND label = ''") == 6
    assert await filled.rows(
        "SELECT n.dedupe_key AS key, d.channel, c.slug AS company, contact.channel AS of_contact"
        " FROM deliveries d JOIN notifications n ON n.id = d.notification_id"
        " LEFT JOIN contacts contact ON contact.id = d.contact_id LEFT JOIN companies c ON c.id = contact.company_id"
        " ORDER BY d.id"
    ) == [
        {"key": key, "channel": channel, "company": company, "of_contact": company and channel}
        for key, company in (("both", "both"), ("silent", "silent"), ("off", "off"), ("test", None))
        for channel in ("email", "telegram")
    ]
    assert await filled.rows("SELECT code, channel FROM problems ORDER BY code") == [
        {"code": "disk_full", "channel": None},
        {"code": "smtp_away", "channel": "email"},
        {"code": "telegram_bot_token_missing", "channel": "telegram"},
        {"code": "unsubscribe_secret_missing", "channel": "email"},
    ]
    assert await filled.rows("SELECT * FROM notifications_flat ORDER BY id") == flat


async def test_the_way_down_brings_back_every_column_and_the_way_up_every_contact(
    empty: Settings, filled: Platform
) -> None:
    before = await tables_of_0003(filled)
    await upgrade(empty)
    migrated = await contacts(filled)
    assert await downgrade(empty, BEFORE_CONTACTS) == (NEWEST, BEFORE_CONTACTS)
    assert await tables_of_0003(filled) == before
    await upgrade(empty)
    assert await contacts(filled) == migrated
    assert await differences(filled.engine) == []


async def test_an_early_0003_gets_the_index_that_it_lacks(empty: Settings, filled: Platform) -> None:
    await filled.execute("DROP INDEX ix_notifications_content")
    await upgrade(empty)
    assert await differences(filled.engine) == []
    await downgrade(empty, "0002")  # which drops it


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        (
            [
                (
                    "INSERT INTO contacts (company_id, channel, address, address_key)"
                    " SELECT id, 'sms', '1', '1' FROM companies"
                )
            ],
            "3 contacts are of other channels (sms): delete them first",
        ),
        (
            ["INSERT INTO deliveries (notification_id, channel) SELECT min(id), 'sms' FROM notifications"],
            "1 deliveries are of other channels (sms): delete them first",
        ),
        (
            ["INSERT INTO suppressions (channel, address, reason) VALUES ('sms', '1', 'x'), ('fax', '1', 'x')"],
            "2 suppressions are of other channels (fax, sms): delete them first",
        ),
        (
            [
                (
                    "INSERT INTO contacts (company_id, channel, address, address_key, source)"
                    " SELECT id, channel, '5', '5', 'api' FROM companies, unnest(ARRAY['email', 'telegram']) AS channel"
                    " WHERE slug <> 'off'"
                ),
            ],
            "2 companies have more than one contact on a channel: delete all but one",
        ),
        (
            [
                (
                    "INSERT INTO contacts (company_id, channel, address, address_key, source)"
                    " SELECT id, 'email', 'new', 'new', 'api' FROM companies WHERE slug = 'both'"
                ),
                (
                    "INSERT INTO deliveries (notification_id, channel, contact_id)"
                    " SELECT n.id, 'email', contact.id FROM contacts contact JOIN notifications n USING (company_id)"
                    " WHERE contact.source = 'api'"
                ),
                "DELETE FROM contacts WHERE source = 'import' AND channel = 'email' AND address_key LIKE 'anna@%'",
            ],
            "1 notifications have more than one delivery on a channel: delete all but one",
        ),
        (
            ["UPDATE contacts SET address = '@anna', address_key = '@anna' WHERE address_key = '77'"],
            "1 Telegram contacts are no chat id: correct or delete them",
        ),
    ],
    ids=["contacts", "deliveries", "suppressions", "two contacts", "two deliveries", "no chat id"],
)
async def test_the_way_down_refuses_what_it_would_lose(
    empty: Settings, filled: Platform, statements: list[str], reason: str
) -> None:
    await upgrade(empty)
    for statement in statements:
        await filled.execute(statement)
    kept = await contacts(filled)
    with pytest.raises(CommandError) as refused:
        await downgrade(empty, BEFORE_CONTACTS)
    assert str(refused.value) == f"0003 has no place for what is in the database. {reason}."
    assert await contacts(filled) == kept
    assert await differences(filled.engine) == []


async def contacts(tables: Platform) -> list[tuple[Any, ...]]:
    rows = await tables.rows(
        "SELECT c.slug, contact.channel, contact.address, contact.address_key, contact.enabled"
        " FROM contacts contact JOIN companies c ON c.id = contact.company_id ORDER BY contact.id"
    )
    return [tuple(row.values()) for row in rows]


async def tables_of_0003(tables: Platform) -> list[list[dict[str, Any]]]:
    """All rows of the tables that change, and every constraint and index."""
    return [
        await tables.rows(
            "SELECT slug, contact_email, telegram_chat_id, email_enabled, telegram_enabled FROM companies ORDER BY id"
        ),
        await tables.rows("SELECT * FROM deliveries ORDER BY id"),
        await tables.rows("SELECT * FROM suppressions"),
        await tables.rows("SELECT * FROM problems ORDER BY code"),
        await tables.rows("SELECT pg_get_viewdef('notifications_flat') AS flat"),
        await tables.rows(
            "SELECT conrelid::regclass::text AS of, conname, pg_get_constraintdef(oid) AS says FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"
        ),
        await tables.rows("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"),
        await tables.rows(
            "SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns"
            " WHERE table_name = 'companies' ORDER BY 1"
        ),
    ]


async def differences(engine: AsyncEngine) -> list[Any]:
    """Of the migrated tables to the models."""
    async with engine.connect() as connection:
        return await connection.run_sync(_differences)


def _differences(connection: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))
