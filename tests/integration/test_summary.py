"""A day of the record as its summary counts it, on the operators' calendar."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from activities.daily_summary import summarise
from db.operators import summary as queries
from db.operators.summary import DaySummary
from settings import Settings
from tests.integration.test_large_record import explained
from tests.support.command_line import Ended, cli
from tests.support.data import Platform, in_days
from tests.support.settings_for import MakeSettings

DAY = date(2026, 10, 25)
"""It has 25 hours in Berlin: from 22:00 UTC on the day before to 23:00 UTC."""
NEXT_DAY_AT_EIGHT = datetime(2026, 10, 26, 7, tzinfo=UTC)

Summarise = Callable[..., Awaitable[DaySummary]]


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings(expiry_scan_timezone="Europe/Berlin")


@pytest.fixture
def summary_of(engine: AsyncEngine, settings: Settings) -> Summarise:
    """The summary of the day before `at`, for a platform whose next scan comes `scan_in` hours from now."""

    async def read(
        at: datetime = NEXT_DAY_AT_EIGHT, day: date | None = None, scan_in: float = 48, **values: Any
    ) -> DaySummary:
        async def next_scan(after: datetime) -> datetime:
            return after + timedelta(hours=scan_in)

        async with engine.connect() as connection:
            return await summarise(connection, settings.model_copy(update=values), next_scan, at=at, day=day)

    return read


async def ended(platform: Platform, status: str, finished_at: str, notification_type: str = "expiring") -> None:
    """An e-mail of a notification of its own that ended so."""
    number = await platform.scalar("SELECT count(*) FROM notifications")
    key = f"{notification_type}-{number}"
    await platform.execute(
        "WITH told AS (INSERT INTO notifications (notification_type, give_up_at, dedupe_key, workflow_id, status,"
        " created_at) VALUES (:type, now(), :key, :key, 'delivered', CAST(:at AS timestamptz)) RETURNING id)"
        " INSERT INTO deliveries (notification_id, channel, status, finished_at)"
        " SELECT id, 'email', :status, CAST(:at AS timestamptz) FROM told",
        type=notification_type,
        key=key,
        status=status,
        at=datetime.fromisoformat(finished_at),
    )


async def test_a_day_is_the_operators_day_and_has_25_hours_in_autumn(platform: Platform, summary_of: Summarise) -> None:
    for moment in ("2026-10-24T21:59:59Z", "2026-10-25T23:00:00Z"):
        await ended(platform, "accepted", moment)
    for moment in ("2026-10-24T22:00:00Z", "2026-10-25T12:00:00Z", "2026-10-25T22:59:59.999Z"):
        await ended(platform, "accepted", moment)
    told = await summary_of()
    assert (told.day, told.sent) == (DAY, 3)
    assert (await summary_of(day=date(2026, 10, 24))).sent == 1


@pytest.mark.parametrize(
    ("zone", "day", "first", "last"),
    [
        # Midnight does not come: the clock shows 01:00 after 23:59.
        ("Africa/Cairo", date(2026, 4, 24), "2026-04-23T22:00:00Z", "2026-04-24T20:59:59Z"),
        # Midnight comes twice: the first of them begins the day.
        ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00:00Z", "2026-11-02T04:59:59Z"),
    ],
)
async def test_a_day_whose_midnight_is_missing_or_comes_twice(
    platform: Platform, summary_of: Summarise, zone: str, day: date, first: str, last: str
) -> None:
    second = timedelta(seconds=1)
    for moment in (first, last):
        await ended(platform, "accepted", moment)
    await ended(platform, "rejected", (datetime.fromisoformat(first) - second).isoformat())
    await ended(platform, "rejected", (datetime.fromisoformat(last) + second).isoformat())
    told = await summary_of(day=day, expiry_scan_timezone=zone)
    assert (told.sent, told.rejected) == (2, 0)


async def test_it_counts_what_companies_were_sent_and_neither_tests_nor_alerts(
    platform: Platform, summary_of: Summarise
) -> None:
    noon = "2026-10-25T12:00:00Z"
    for status in ("accepted", "accepted", "rejected", "failed", "unknown", "skipped"):
        await ended(platform, status, noon)
    await ended(platform, "accepted", noon, "expired")
    await ended(platform, "accepted", noon, "test")
    await ended(platform, "accepted", noon, "alert")
    told = await summary_of()
    assert (told.sent, told.rejected, told.failed, told.in_doubt) == (3, 1, 1, 1)


async def test_what_is_due_today_is_what_was_opened_today_and_what_todays_scan_will_find(
    platform: Platform, summary_of: Summarise
) -> None:
    company = await platform.company()
    opened = await platform.project(company)
    await platform.notification(opened)
    await platform.project(company)
    await platform.project(company, expires_at=in_days(40))
    assert (await summary_of()).due_today == 2


def zone_where_it_is(hour: int) -> str:
    """A zone whose clock shows this hour now. By POSIX, Etc/GMT-2 is two hours ahead of UTC."""
    ahead = (hour - datetime.now(UTC).hour + 11) % 24 - 11
    return f"Etc/GMT{-ahead:+d}"


async def test_an_item_that_becomes_due_before_todays_scan_counts(platform: Platform, summary_of: Summarise) -> None:
    """It is 9 o'clock for the operators and 20 o'clock for the company, whose next day begins before the scan."""
    company = await platform.company(timezone=zone_where_it_is(20))
    await platform.project(company, expires_at=in_days(7 + 16 / 24))
    values = {"expiry_scan_timezone": zone_where_it_is(9), "expiry_thresholds_days": [7]}
    assert (await summary_of(scan_in=6, **values)).due_today == 1
    assert (await summary_of(scan_in=48, **values)).due_today == 0


@pytest.mark.parametrize(
    ("company", "project", "counted"),
    [
        ({"telegram_chat_id": None}, {}, 0),
        ({"telegram_chat_id": None, "contact_email": None}, {}, 1),
        ({"telegram_enabled": False, "email_enabled": False}, {}, 1),
        ({"telegram_chat_id": None, "contact_email": None}, {"status": "archived"}, 0),
        ({"telegram_chat_id": None, "contact_email": None}, {"auto_renew": True}, 0),
        ({"telegram_chat_id": None, "contact_email": None}, {"expires_at": in_days(-1)}, 0),
    ],
)
async def test_a_company_without_an_address_that_can_be_used_counts_while_it_has_what_ends(
    platform: Platform, summary_of: Summarise, company: dict[str, Any], project: dict[str, Any], counted: int
) -> None:
    await platform.project(await platform.company(**company), **project)
    assert (await summary_of()).unreachable == counted


async def test_a_suppressed_address_and_a_channel_without_settings_cannot_be_used(
    platform: Platform, summary_of: Summarise
) -> None:
    await platform.project(await platform.company(contact_email="gone@customer.example", telegram_chat_id=None))
    await platform.project(await platform.company(contact_email=None))
    assert (await summary_of()).unreachable == 0
    await platform.execute(
        "INSERT INTO suppressions (channel, address, reason) VALUES ('email', 'gone@customer.example', 'smtp_550')"
    )
    assert (await summary_of()).unreachable == 1
    assert (await summary_of(telegram_bot_token=None)).unreachable == 2


async def test_what_waits_what_was_deactivated_and_what_is_wrong(platform: Platform, summary_of: Summarise) -> None:
    company = await platform.company()
    project = await platform.project(company)
    await platform.content(company, project)
    await platform.notification(project)
    await platform.notification(project, started_at=datetime.now(UTC))
    await platform.notification(project, status="delivered")
    await platform.execute("UPDATE projects SET deactivated_at = '2026-10-25T22:30:00Z'")
    await platform.execute("UPDATE ar_contents SET deactivated_at = '2026-10-25T22:30:00Z'")
    await platform.execute("INSERT INTO problems (code, subject) VALUES ('smtp_away', 'The mail server is away')")
    told = await summary_of()
    assert (told.waiting, told.projects_off, told.contents_off) == (2, 1, 1)
    assert [(each.code, each.subject) for each in told.problems] == [("smtp_away", "The mail server is away")]
    assert (await summary_of(expiry_scan_timezone="UTC", day=date(2026, 10, 26))).projects_off == 0


async def test_yesterday_is_called_yesterday_and_no_other_day(summary_of: Summarise) -> None:
    now = datetime.now(UTC)
    assert (await summary_of(at=now)).is_yesterday
    assert not (await summary_of()).is_yesterday
    assert not (await summary_of(day=now.date() - timedelta(days=3))).is_yesterday


async def test_it_does_not_read_the_whole_record(platform: Platform, engine: AsyncEngine) -> None:
    await platform.execute(
        "INSERT INTO notifications (notification_type, give_up_at, dedupe_key, workflow_id, status, subject,"
        " created_at)"
        " SELECT 'expiring', now(), i, i, 'delivered', repeat('x', 400),"
        " timestamptz '2025-10-25' + i * interval '20 min'"
        " FROM generate_series(1, 30000) i"
    )
    await platform.execute(
        "INSERT INTO deliveries (notification_id, channel, status, body, finished_at)"
        " SELECT id, 'email', 'accepted', repeat('x', 400), created_at FROM notifications ORDER BY id"
    )
    await platform.execute("ANALYZE")
    begin, end = queries._around(DAY)
    parameters = {
        "zone": "Europe/Berlin",
        "day": DAY,
        "today": DAY,
        "begin": begin,
        "end": end,
        "today_begin": begin,
        "channels": ["email"],
    }
    plan = await explained(engine, queries._READ, parameters)
    assert "Bitmap Index Scan on ix_deliveries_finished" in plan, plan
    assert "Bitmap Index Scan on ix_notifications_created" in plan, plan
    assert "Seq Scan on deliveries" not in plan, plan


@pytest.fixture
def command(database_url: str) -> Callable[..., Awaitable[Ended]]:
    async def run(*arguments: str, **variables: str) -> Ended:
        environment = {"DATABASE_URL": database_url, "SMTP_HOST": "smtp.platform.example", **variables}
        environment |= {"SMTP_FROM_EMAIL": "notices@platform.example", "SMTP_FROM_NAME": "Expiry notifier"}
        return await cli("summary", *arguments, environment=environment)

    return run


async def test_the_command_says_the_same_and_as_json(
    platform: Platform, command: Callable[..., Awaitable[Ended]]
) -> None:
    for status in ("accepted", "accepted", "rejected"):
        await ended(platform, status, "2026-10-25T12:00:00Z")
    shown = await command("--day", "2026-10-25")
    assert shown.status == 0, shown.err
    assert shown.out.splitlines() == [
        "Sunday, October 25, 2026: 2 messages sent, 1 rejected, 0 in doubt.",
        "",
        "Today nothing is due.",
        "Every company can be reached.",
        "",
        "There are no open problems.",
    ]
    told = (await command("--json", ADMIN_LOCALE="ru")).json
    yesterday = date.fromisoformat(told["today"]) - timedelta(days=1)
    assert (told["day"], told["sent"], told["problems"]) == (yesterday.isoformat(), 0, [])
    assert told["text"].startswith("Вчера, ")


@pytest.mark.parametrize(
    ("day", "variables", "said"),
    [
        ("2026-02-30", {}, "'2026-02-30' is not a day: write it as 2026-11-24"),
        ("2900-01-01", {}, "cli: --day 2900-01-01 is in the future: write "),
        ("2026-10-25", {"ADMIN_LOCALE": "tlh"}, "cli: ADMIN_LOCALE: there are no texts in 'tlh': choose from en, ru\n"),
    ],
)
async def test_what_is_wrong_is_named(
    command: Callable[..., Awaitable[Ended]], day: str, variables: dict[str, str], said: str
) -> None:
    shown = await command("--day", day, **variables)
    assert shown.status == 2
    assert said in shown.err
