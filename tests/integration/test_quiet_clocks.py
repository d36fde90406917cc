"""When a quiet time is over: on the company's clock, wherever it is and whenever that is put forward or back."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.due_scans import at

MINUTE = timedelta(minutes=1)
ZONES = """
UTC Europe/Berlin Europe/London America/New_York America/Los_Angeles America/St_Johns America/Havana America/Sao_Paulo
America/Santiago Atlantic/Azores Asia/Kolkata Asia/Kathmandu Australia/Adelaide Australia/Lord_Howe Pacific/Chatham
Pacific/Auckland Pacific/Kiritimati Pacific/Pago_Pago
""".split()
FIRST, LAST = datetime(2012, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
"""What is past is the same in everybody's time zone data."""


async def quiet_until(engine: AsyncEngine, moment: datetime, zone: str, begins: time, ends: time) -> datetime | None:
    statement = text(
        "SELECT quiet_until(CAST(:moment AS timestamptz), :zone, CAST(:begins AS time), CAST(:ends AS time))"
    )
    async with engine.connect() as connection:
        over: datetime | None = await connection.scalar(
            statement, {"moment": moment, "zone": zone, "begins": begins, "ends": ends}
        )
    return over


@pytest.mark.parametrize(
    ("zone", "begins", "ends", "moment", "over"),
    [
        # Over midnight: it begins with its first minute and is over with its last.
        ("Europe/Berlin", "21:00", "08:00", "2024-01-15T20:59:59+01:00", None),
        ("Europe/Berlin", "21:00", "08:00", "2024-01-15T21:00+01:00", "2024-01-16T08:00+01:00"),
        ("Europe/Berlin", "21:00", "08:00", "2024-01-16T00:00+01:00", "2024-01-16T08:00+01:00"),
        ("Europe/Berlin", "21:00", "08:00", "2024-01-16T07:59:59+01:00", "2024-01-16T08:00+01:00"),
        ("Europe/Berlin", "21:00", "08:00", "2024-01-16T08:00+01:00", None),
        ("Europe/Berlin", "21:00", "00:00", "2024-01-15T23:30+01:00", "2024-01-16T00:00+01:00"),
        # Within a day.
        ("Europe/Berlin", "12:00", "13:30", "2024-07-15T11:59+02:00", None),
        ("Europe/Berlin", "12:00", "13:30", "2024-07-15T12:00+02:00", "2024-07-15T13:30+02:00"),
        ("Europe/Berlin", "00:00", "06:00", "2024-07-15T00:00+02:00", "2024-07-15T06:00+02:00"),
        # The night that clocks are put forward is an hour shorter; back, an hour longer.
        ("Europe/Berlin", "21:00", "08:00", "2024-03-30T23:00+01:00", "2024-03-31T08:00+02:00"),
        ("Europe/Berlin", "21:00", "08:00", "2024-10-26T23:00+02:00", "2024-10-27T08:00+01:00"),
        # Its end is skipped: after the gap. Its end comes twice: the second time.
        ("Europe/Berlin", "21:00", "02:30", "2024-03-30T23:00+01:00", "2024-03-31T03:30+02:00"),
        ("Europe/Berlin", "21:00", "02:30", "2024-10-26T23:00+02:00", "2024-10-27T02:30+01:00"),
        ("Europe/Berlin", "21:00", "02:30", "2024-10-27T02:15+01:00", "2024-10-27T02:30+01:00"),
        # Clocks that are put back by half an hour, and offsets of 30 and 45 minutes.
        ("Australia/Lord_Howe", "21:00", "08:00", "2024-04-06T22:00+11:00", "2024-04-07T08:00+10:30"),
        ("Australia/Lord_Howe", "21:00", "01:45", "2024-04-07T01:40+11:00", "2024-04-07T01:45+10:30"),
        ("Asia/Kolkata", "21:00", "08:00", "2024-04-06T22:00+05:30", "2024-04-07T08:00+05:30"),
        ("Pacific/Chatham", "21:00", "08:00", "2024-04-06T22:00+13:45", "2024-04-07T08:00+12:45"),
        # The midnight in the quiet time does not exist.
        ("America/Havana", "23:00", "00:30", "2024-03-09T23:30-05:00", "2024-03-10T01:30-04:00"),
    ],
)
async def test_a_quiet_time_is_over_when_the_companys_clock_says_so(
    engine: AsyncEngine, zone: str, begins: str, ends: str, moment: str, over: str | None
) -> None:
    found = await quiet_until(engine, at(moment), zone, time.fromisoformat(begins), time.fromisoformat(ends))
    assert found == (at(over) if over else None)


async def test_without_quiet_hours_nothing_is_quiet(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT quiet_until(now(), 'UTC', NULL, NULL)")) is None


@cache
def _changes(zone: str) -> list[datetime]:
    """Hours in which the zone's clocks are put forward or back."""
    there = ZoneInfo(zone)
    hours = [FIRST + timedelta(hours=6 * number) for number in range((LAST - FIRST) // timedelta(hours=6))]
    offsets = [hour.astimezone(there).utcoffset() for hour in hours]
    return [hour for hour, before, after in zip(hours, offsets, offsets[1:], strict=False) if before != after]


@st.composite
def _moments(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone, and a moment there: half of them in the day around a change of its clocks."""
    zone = draw(st.sampled_from(ZONES))
    near_a_change: bool = draw(st.booleans())
    if near_a_change and _changes(zone):
        around = draw(st.sampled_from(_changes(zone)))
        return zone, around + draw(st.integers(-18 * 60, 24 * 60)) * MINUTE
    return zone, FIRST + draw(st.integers(0, (LAST - FIRST) // MINUTE)) * MINUTE


_clocks = st.builds(time, st.integers(0, 23), st.integers(0, 59))


@given(_moments(), st.tuples(_clocks, _clocks).filter(lambda hours: hours[0] != hours[1]))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_it_agrees_with_whoever_watches_the_clock(
    engine: AsyncEngine, where: tuple[str, datetime], hours: tuple[time, time]
) -> None:
    """Watching it minute by minute, until the last time that it shows no more than the end."""
    zone, moment = where
    begins, ends = hours
    found = await quiet_until(engine, moment, zone, begins, ends)
    now = _clock(moment, zone)
    over_midnight = begins > ends
    quiet = (now.time() >= begins or now.time() < ends) if over_midnight else begins <= now.time() < ends
    if not quiet:
        assert found is None
        return
    tomorrow = over_midnight and now.time() >= begins
    end = datetime.combine(now.date() + timedelta(days=tomorrow), ends)
    last = max(later for later in (moment + MINUTE * n for n in range(27 * 60)) if _clock(later, zone) <= end)
    assert found is not None
    assert found > moment
    # Where the end is skipped: as late after the gap as it would have been after its beginning.
    assert found - last == end - _clock(last, zone)


def _clock(moment: datetime, zone: str) -> datetime:
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


async def test_the_end_of_a_day_that_does_not_exist(engine: AsyncEngine) -> None:
    """Samoa went from the 29th of December 2011 to the 31st."""
    found = await quiet_until(engine, at("2011-12-29T23:00-10:00"), "Pacific/Apia", time(22), time(8))
    assert found is not None
    assert found.astimezone(ZoneInfo("Pacific/Apia")).replace(tzinfo=None) == datetime.combine(
        date(2011, 12, 31), time(8)
    )
