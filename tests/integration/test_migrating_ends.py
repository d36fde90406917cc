"""Ends with fractions of a second, ends outside the years 1970 to 2999 and abbreviated zones, as 0.4.0 left them: after
the migration nobody is told twice, and no notice is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.keys import NotificationType, item_name, notification_key
from db.engine import create_engine
from db.items.untold import list_untold
from db.migrate import downgrade, upgrade
from db.record.claim import claim_delivery
from local.embedded.postgres import EmbeddedPostgres
from settings import Settings
from tests.support.data import Platform, in_days
from tests.support.deactivations import Deactivations
from tests.support.due_scans import DueScans

BEFORE = "0004"
BY_API, BY_IMPORT = timedelta(milliseconds=417), timedelta()
ENDS_AT = in_days(3)


@pytest.fixture
async def old(postgres: EmbeddedPostgres) -> AsyncIterator[Settings]:
    """A database of release 0.4.0."""
    await postgres.create_database("old")
    settings = Settings(database_url=postgres.database_url("old"))
    await upgrade(settings, BEFORE)
    yield settings
    await postgres.drop_database("old")


@pytest.fixture
async def engine(old: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(old, "test")
    yield engine
    await engine.dispose()


async def warned(
    platform: Platform, *, now: timedelta, told: timedelta, ends: tuple[str, str | None], content: bool = False
) -> int:
    """An item that ends at ENDS_AT with the fraction `now`, and whose notification, with the key of the release, is
    about the end with the fraction `told`. Returns the project's id."""
    company = await platform.company()
    project = await platform.project(company, expires_at=in_days(400) if content else ENDS_AT + now)
    ar_content = await platform.content(company, project, expires_at=ENDS_AT + now) if content else None
    key = notification_key(NotificationType.EXPIRING, item_name(project, ar_content), ENDS_AT + told, 7)
    status, reason = ends
    notification = await platform.notification(
        project,
        ar_content_id=ar_content,
        item_ends_at=ENDS_AT + told,
        dedupe_key=key,
        status={"accepted": "delivered", "pending": "open"}.get(status, "undelivered"),
    )
    await platform.execute(
        "UPDATE deliveries SET status = :status, reason = :reason WHERE notification_id = :notification",
        status=status,
        reason=reason,
        notification=notification,
    )
    return project


async def test_nobody_is_told_twice_and_no_notice_is_lost(old: Settings, platform: Platform, scans: DueScans) -> None:
    accepted, unsaid = ("accepted", None), ("skipped", "renewed")
    for told_of, is_now in ((BY_API, BY_API), (BY_API, BY_IMPORT), (BY_IMPORT, BY_API)):
        for content in (False, True):
            await warned(platform, now=is_now, told=told_of, ends=accepted, content=content)
    lost = [
        await warned(platform, now=BY_IMPORT, told=BY_API, ends=unsaid, content=content) for content in (False, True)
    ]
    waiting = await warned(platform, now=BY_API, told=BY_API, ends=("pending", None))
    new = await platform.project(await platform.company(), expires_at=ENDS_AT + BY_API)
    await upgrade(old)
    now = datetime.now(UTC)
    assert sorted(item.project_id for item in await scans.find(now)) == [*lost, new]
    assert len(await scans.open(now)) == 3
    assert await scans.find(now) == []
    opened = {each.project_id for each in await platform.notifications() if each.status == "open"}
    assert opened == {*lost, waiting, new}
    assert {each.item_ends_at for each in await platform.notifications()} == {ENDS_AT}
    async with platform.engine.connect() as connection:
        untold = await list_untold(connection, timedelta(days=30))
    assert {item.project_id for item in untold} == {*lost, waiting, new}
    [pending] = [each.id for each in await platform.notifications() if each.project_id == waiting]
    async with platform.engine.begin() as connection:
        claim = await claim_delivery(
            connection,
            pending,
            "email",
            delivery_id=None,
            run_id="run",
            attempt=1,
            configured=True,
            resend_in_doubt=False,
        )
    assert claim is not None
    assert claim.obstacle is None


async def test_other_ends_come_into_the_years_and_are_dealt_with(
    old: Settings, platform: Platform, deactivations: Deactivations
) -> None:
    company = await platform.company()
    for number, end in enumerate(("-infinity", "0001-01-01 00:00:00+00", "infinity", "12000-01-01 00:00:00+00")):
        await platform.execute(
            "INSERT INTO projects (slug, company_id, name, starts_at, expires_at)"
            " VALUES (:slug, :company, 'x', '-infinity', CAST(CAST(:end AS text) AS timestamptz))",
            slug=f"p{number}",
            company=company,
            end=end,
        )
    await upgrade(old)
    first, last = datetime(1970, 1, 1, tzinfo=UTC), datetime(2999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert await ends(platform) == [(first, first), (first, first), (first, last), (first, last)]
    assert (await deactivations.page(datetime.now(UTC))).projects == 2


async def ends(platform: Platform) -> list[tuple[Any, ...]]:
    return [
        tuple(row.values()) for row in await platform.rows("SELECT starts_at, expires_at FROM projects ORDER BY id")
    ]


async def test_abbreviated_zones_become_the_zones_that_they_link_to(old: Settings, platform: Platform) -> None:
    zones = ["CET", "cet", "MET", "EET", "WET", "EST", "MST", "HST", "UTC", "Europe/Oslo", "EST5EDT"]
    for zone in zones:
        await platform.company(timezone=zone)
    await upgrade(old)
    assert [row["timezone"] for row in await platform.rows("SELECT timezone FROM companies ORDER BY id")] == [
        "Europe/Brussels",
        "Europe/Brussels",
        "Europe/Brussels",
        "Europe/Athens",
        "Europe/Lisbon",
        "America/Panama",
        "America/Phoenix",
        "Pacific/Honolulu",
        "UTC",
        "Europe/Oslo",
        "EST5EDT",
    ]


async def test_every_zone_that_is_an_abbreviation_too_is_decided(platform: Platform, old: Settings) -> None:
    """A zone that this PostgreSQL takes for an abbreviation is stored as another, or is the same as both."""
    await upgrade(old)
    both = await platform.rows(
        "SELECT name, iana_zone(name) AS stored FROM pg_timezone_names"
        " WHERE upper(name) IN (SELECT upper(abbrev) FROM pg_timezone_abbrevs)"
    )
    assert len(both) > 7
    same = {row["name"] for row in both if row["name"] == row["stored"]}
    assert same <= {"UTC", "GMT", "UCT", "Zulu"}
    known = {row["name"] for row in await platform.rows("SELECT name FROM pg_timezone_names")}
    assert {row["stored"] for row in both} <= known


async def test_the_way_down_leaves_the_rows_and_takes_any_end_again(old: Settings, platform: Platform) -> None:
    await upgrade(old)
    await platform.project(await platform.company(), expires_at=ENDS_AT)
    await downgrade(old, BEFORE)
    await platform.execute("UPDATE projects SET expires_at = expires_at + interval '417 milliseconds'")
    assert await platform.scalar("SELECT expires_at FROM projects") == ENDS_AT + BY_API
    await upgrade(old)
    assert await platform.scalar("SELECT expires_at FROM projects") == ENDS_AT
