"""Local dates, days and offsets are PostgreSQL's: what a text says is what the database calculated with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from channels.email.texts import Mail, render_mail
from channels.telegram.texts import PART, render_message
from db.clocks import LocalTime, local_time, local_times
from db.record.claim import claim_delivery
from tests.support.clocks import on_clock
from tests.support.data import Platform, in_days
from tests.support.due_scans import DueScans, at
from texts.languages import Language
from texts.renderer import Renderer

RENDERER = Renderer("https://platform.example/projects/{slug}/renew", "help@platform.example", {PART: None})
ZONES = """
UTC Europe/Berlin Europe/London Europe/Dublin America/New_York America/Los_Angeles America/St_Johns America/Havana
America/Sao_Paulo America/Santiago Atlantic/Azores Asia/Kolkata Asia/Kathmandu Australia/Adelaide Australia/Lord_Howe
Pacific/Chatham Pacific/Auckland Pacific/Kiritimati Pacific/Pago_Pago
""".split()
FIRST, LAST = datetime(2012, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
"""What is past is the same in everybody's time zone data."""
HOUR = timedelta(hours=1)


async def read(engine: AsyncEngine, moment: datetime, zone: str) -> LocalTime:
    subquery = local_time("CAST(:moment AS timestamptz)", "CAST(:zone AS text)")
    async with engine.connect() as connection:
        statement = text(f"SELECT * FROM {subquery} AS there")  # noqa: S608 - ours
        row = (await connection.execute(statement, {"moment": moment, "zone": zone})).mappings().one()
    return LocalTime(**row)


@pytest.mark.parametrize(
    ("time", "zone", "date", "clock"),
    [
        ("2026-11-27T00:00", "UTC", "Thursday, November 26, 2026", None),
        ("2026-11-27T00:01", "UTC", "Friday, November 27, 2026", "12:01 AM"),
        ("2026-11-26T23:59", "UTC", "Thursday, November 26, 2026", "11:59 PM"),
        ("2026-11-26T18:30", "Asia/Kolkata", "Thursday, November 26, 2026", None),
        ("2026-11-26T18:30", "Asia/Kathmandu", "Friday, November 27, 2026", "12:15 AM"),
        ("2026-01-01T05:00", "America/New_York", "Wednesday, December 31, 2025", None),
        ("2026-04-23T22:00", "Africa/Cairo", "Thursday, April 23, 2026", None),
        ("2026-11-01T04:00", "America/Havana", "Saturday, October 31, 2026", None),
        ("2026-11-01T05:00", "America/Havana", "Sunday, November 1, 2026", "12:00 AM"),
        ("2011-12-30T10:00", "Pacific/Apia", "Thursday, December 29, 2011", None),
    ],
    ids=[
        "midnight",
        "a minute later",
        "a minute before",
        "at half an hour in UTC",
        "another half hour",
        "of a year",
        "the clock skips it",
        "the first of two",
        "the second of two",
        "a day that never was",
    ],
)
async def test_the_first_moment_of_a_day_is_told_as_the_end_of_the_day_before(
    engine: AsyncEngine, time: str, zone: str, date: str, clock: str | None
) -> None:
    told = Language("en").moment(await read(engine, at(time), zone), zone)
    assert (told.date, told.time and told.time.replace("\u202f", " ")) == (date, clock)


@settings(max_examples=200, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    moment=st.integers(0, (LAST - FIRST) // HOUR).map(lambda hours: FIRST + hours * HOUR),
    zone=st.sampled_from(ZONES),
)
async def test_for_what_is_past_everybodys_clocks_agree(engine: AsyncEngine, moment: datetime, zone: str) -> None:
    expected = on_clock(moment, zone)
    assert await read(engine, moment, zone) == expected
    async with engine.connect() as connection:
        [shown] = await local_times(connection, [(moment, zone)])
    assert (shown, shown.utcoffset()) == (moment, expected.utc_offset)


async def test_times_for_a_table_come_in_its_order(engine: AsyncEngine) -> None:
    asked = [(at("2026-07-01T12:00"), zone) for zone in ("Asia/Tokyo", "UTC", "Europe/Berlin", "UTC")]
    async with engine.connect() as connection:
        shown = await local_times(connection, asked)
        assert await local_times(connection, []) == []
    assert [each.isoformat() for each in shown] == [
        "2026-07-01T21:00:00+09:00",
        "2026-07-01T12:00:00+00:00",
        "2026-07-01T14:00:00+02:00",
        "2026-07-01T12:00:00+00:00",
    ]
    assert [f"{each:%H:%M %Z}" for each in shown[:2]] == ["21:00 UTC+09:00", "12:00 UTC"]


SAID = """
SELECT n.id, c.timezone, to_char(there.clock, 'FMDay, FMMonth FMDD, YYYY') AS day,
       to_char(there.clock, 'FMHH12:MI AM') AS time, there.clock::date - there.today AS days
FROM notifications n
JOIN companies c ON c.id = n.company_id
CROSS JOIN LATERAL (
    SELECT n.item_ends_at AT TIME ZONE c.timezone AS clock, (now() AT TIME ZONE c.timezone)::date AS today
) there
ORDER BY n.id
"""


async def test_in_every_time_zone_the_text_names_the_day_that_the_days_are_counted_to(
    platform: Platform, engine: AsyncEngine, scans: DueScans
) -> None:
    """Whatever time zone data this process has: the days and the date come from one calendar."""
    await platform.execute(
        "WITH company AS ("
        "  INSERT INTO companies (slug, name, timezone) SELECT name, name, name FROM pg_timezone_names"
        "  WHERE name <> 'localtime' RETURNING id, slug)"
        " INSERT INTO projects (slug, company_id, name, expires_at) SELECT slug, id, slug, :ends_at FROM company",
        ends_at=in_days(5).replace(second=7),  # at no zone's midnight
    )
    assert len(await scans.open(datetime.now(UTC), page_size=1000)) > 400
    before = await platform.rows(SAID)
    mails = [(row, *await rendered(engine, row["id"])) for row in before]
    after = await platform.rows(SAID)  # midnight may have passed somewhere meanwhile
    for (row, mail, message), later in zip(mails, after, strict=True):
        for told in (mail.text, mail.html or "", message):
            assert row["day"] in told, row["timezone"]
            assert row["time"] in told.replace("\u202f", " "), row["timezone"]
        assert mail.subject.split(" ends in ")[1] in {f"{row['days']} days", f"{later['days']} days"}


async def rendered(engine: AsyncEngine, notification: int) -> tuple[Mail, str]:
    async with engine.begin() as connection:
        claim = await claim_delivery(
            connection,
            notification,
            "email",
            delivery_id=None,
            run_id="run",
            attempt=1,
            configured=True,
            resend_in_doubt=False,
        )
    assert claim is not None
    return render_mail(RENDERER, claim), render_message(RENDERER, claim)
