"""Days are counted, and dates are told, on the company's own calendar."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.support.clocks import other_rules
from tests.support.data import Platform
from tests.support.due_scans import DueScans, at
from tests.support.scene import Scene


@pytest.mark.parametrize(
    ("zone", "now", "ends_at", "days"),
    [
        # Auckland is 12 hours ahead in June: its days begin at noon, UTC.
        ("Pacific/Auckland", "2026-06-15T10:30", "2026-06-18T11:59", 3),
        ("Pacific/Auckland", "2026-06-15T10:30", "2026-06-18T12:00", 4),
        ("Pacific/Auckland", "2026-06-15T12:30", "2026-06-18T12:00", 3),
        # Los Angeles is 7 hours behind: its days begin at 7 in the morning, UTC.
        ("America/Los_Angeles", "2026-06-15T10:30", "2026-06-18T06:59", 2),
        ("America/Los_Angeles", "2026-06-15T10:30", "2026-06-18T07:00", 3),
        ("America/Los_Angeles", "2026-06-15T06:30", "2026-06-15T07:30", 1),
        ("UTC", "2026-06-15T10:30", "2026-06-18T06:59", 3),
        # On both sides of the date line, half an hour before and after midnight.
        ("Pacific/Kiritimati", "2026-06-15T09:30", "2026-06-15T10:30", 1),
        ("Pacific/Pago_Pago", "2026-06-15T10:30", "2026-06-15T11:30", 1),
        # The day that clocks go forward has 23 hours, the day they go back 25.
        ("Europe/Berlin", "2026-03-28T23:30+01:00", "2026-03-29T23:30+02:00", 1),
        ("Europe/Berlin", "2026-03-28T23:30+01:00", "2026-03-30T00:00+02:00", 2),
        ("Europe/Berlin", "2026-03-29T00:10+01:00", "2026-03-29T23:50+02:00", 0),
        ("America/Los_Angeles", "2026-11-01T00:10-07:00", "2026-11-01T23:50-08:00", 0),
        ("America/Los_Angeles", "2026-10-31T23:30-07:00", "2026-11-01T23:30-08:00", 1),
        ("Pacific/Auckland", "2026-09-26T23:30+12:00", "2026-09-27T03:30+13:00", 1),
    ],
)
async def test_days_left_are_those_on_the_companys_calendar(
    platform: Platform, scans: DueScans, zone: str, now: str, ends_at: str, days: int
) -> None:
    await platform.project(await platform.company(timezone=zone), expires_at=at(ends_at))
    [item] = await scans.find(at(now))
    assert item.days_left == days


async def test_the_threshold_is_crossed_at_the_companys_midnight(platform: Platform, scans: DueScans) -> None:
    """The same end, seven days off in Auckland and six in Los Angeles."""
    scans = scans.with_thresholds(7)
    ends_at = at("2026-06-18T12:00")
    auckland = await platform.project(await platform.company(timezone="Pacific/Auckland"), expires_at=ends_at)
    angeles = await platform.project(await platform.company(timezone="America/Los_Angeles"), expires_at=ends_at)

    assert [item.project_id for item in await scans.find(at("2026-06-11T06:59"))] == []
    assert [item.project_id for item in await scans.find(at("2026-06-11T11:59"))] == [angeles]
    assert [item.project_id for item in await scans.find(at("2026-06-11T12:00"))] == [auckland, angeles]


@pytest.fixture
def other_clock(tmp_path: Path) -> Iterator[str]:
    """A zone whose clocks are half a day off in this process."""
    with other_rules(tmp_path, "America/Vancouver", rules_of="Pacific/Auckland"):
        yield "America/Vancouver"


@pytest.mark.parametrize(
    ("zone", "clock", "told_as", "zone_told"),
    [
        ("Pacific/Auckland", time(0, 30), "12:30", "New Zealand Time (UTC+"),
        ("America/Los_Angeles", time(23, 30), "11:30", "Pacific Time (UTC\N{MINUS SIGN}"),
    ],
    ids=["ahead of UTC", "behind UTC"],
)
async def test_mail_and_message_tell_the_end_on_the_companys_clock(
    scene: Scene, zone: str, clock: time, told_as: str, zone_told: str
) -> None:
    """Half an hour from midnight there; in UTC it is another day."""
    end_day = today_in(zone) + timedelta(days=3)
    ends_at = datetime.combine(end_day, clock, ZoneInfo(zone))
    assert ends_at.astimezone(UTC).date() != end_day
    company = await scene.platform.company(timezone=zone)
    await scene.platform.project(company, expires_at=ends_at)
    days_left = [(end_day - today_in(zone)).days]
    await scene.scan_and_send()
    days_left.append((end_day - today_in(zone)).days)  # a day less if that was at midnight

    [mail] = scene.sink.messages
    text = mail.message.get_body(("plain",))
    assert text is not None
    [message] = scene.telegram.messages
    for told in (text.get_content(), message.text):
        assert f"{end_day:%B} {end_day.day}, {end_day.year}" in told
        assert told_as in told
        assert zone_told in told
    assert mail.subject in [f"Project 2 ends in {days} days" for days in days_left]
    assert (await scene.notification()).days_left in days_left


async def test_the_days_and_the_date_of_a_mail_come_from_one_calendar(scene: Scene, other_clock: str) -> None:
    """This process has other rules for the company's zone than PostgreSQL: the mail says what PostgreSQL says."""
    company = await scene.platform.company(timezone=other_clock)
    await scene.platform.project(company)
    await scene.platform.execute(
        "UPDATE projects SET expires_at = (date_trunc('day', now() AT TIME ZONE :zone) + interval '2 days 23 hours')"
        " AT TIME ZONE :zone",
        zone=other_clock,
    )
    days = "SELECT (expires_at AT TIME ZONE :zone)::date - (now() AT TIME ZONE :zone)::date FROM projects"
    before = await scene.platform.scalar(days, zone=other_clock)
    [said] = await scene.platform.rows(
        "SELECT to_char(expires_at AT TIME ZONE :zone, 'FMDay, FMMonth FMDD, YYYY') AS day FROM projects",
        zone=other_clock,
    )
    await scene.scan_and_send()
    after = await scene.platform.scalar(days, zone=other_clock)  # a day less if that was at midnight

    [mail] = scene.sink.messages
    [message] = scene.telegram.messages
    text = mail.message.get_body(("plain",))
    assert text is not None
    for told in (text.get_content(), message.text):
        assert f"{said['day']} at 11:00\u202fPM" in told
    assert mail.subject in {
        f"Project 2 ends {'tomorrow' if days == 1 else f'in {days} days'}" for days in (before, after)
    }


def today_in(zone: str) -> date:
    return datetime.now(ZoneInfo(zone)).date()
