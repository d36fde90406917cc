"""Cron expressions: those with one meaning are taken, all others are refused with what to write instead."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from runtime.cron import checked_cron, predict


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("0 9 * * *", "0 9 * * *"),
        ("  0 9   *\t* mon-fri\n", "0 9 * * MON-FRI"),
        ("*/15,7 0-8/2 1,15 jan-MAR *", "*/15,7 0-8/2 1,15 JAN-MAR *"),
        ("0 0 29 2 *", "0 0 29 2 *"),
    ],
)
def test_what_cron_and_temporal_read_alike_is_taken(text: str, taken: str) -> None:
    assert checked_cron(text) == taken


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("0 0 9 * * *", "without seconds and year: write minute, hour"),
        ("0 9 * * * 2027", "without seconds and year"),
        ("0 9 13 * 5", "write \\* for one of them"),
        ("0 9 1-7 * 1", "write \\* for one of them"),
        ("0 9 */2 * */2", "write \\* for one of them"),
        ("0 9 * * 1-7", "write 0 for Sunday"),
        ("0 9 * * 7", "write 0 for Sunday"),
        ("0 9 * * MON#2", "day of the week: 'MON#2' is not supported: write"),
        ("0 9 * * 5L", "day of the week: '5L' is not supported: write"),
        ("0 9 * * L", "day of the week: 'L' is not supported: write"),
        ("0 9 L * *", "day of the month: 'L' is not supported: write"),
        ("0 9 15W * *", "day of the month: '15W' is not supported: write"),
        ("0 9 LW * *", "day of the month: 'LW' is not supported: write"),
        ("0 9 ? * *", "day of the month: '\\?' is not supported: write"),
        ("0 9 * * Monday", "or a name such as MON"),
        ("0 9 * january *", "or a name such as FEB"),
        ("0 9 * * FRI-MON", "write two ranges"),
        ("0 22-5 * * *", "write two ranges"),
        ("@daily", "write 0 0 \\* \\* \\*"),
        ("@Weekly", "write 0 0 \\* \\* 0"),
        ("@every 5m", "write minute, hour"),
        ("TZ=Europe/Berlin 0 9 * * *", "instead of five"),
        ("CRON_TZ=Europe/Berlin 9 * * *", "minute: 'CRON_TZ=EUROPE/BERLIN' is not supported"),
        ("0 9 * * * # daily", "instead of five"),
        ("0 9 * * #", "day of the week: '#' is not supported"),
        ("every day", "instead of five"),
        ("hourly", "has 1 field instead of five"),
        ("", "has 0 fields instead of five"),
        ("61 9 * * *", "minute: '61' is out of range: write a number from 0 to 59"),
        ("0 24 * * *", "hour: '24' is out of range: write a number from 0 to 23"),
        ("0 9 0 * *", "day of the month: '0' is out of range: write a number from 1 to 31"),
        ("0 9 * 13 *", "month: '13' is out of range"),
        ("*/0 * * * *", "write one from 1 to 60"),
        ("*/90 * * * *", "write one from 1 to 60"),
        ("5/15/2 * * * *", "is not supported"),
        ("1-2-3 * * * *", "is not supported"),
        ("*-5 * * * *", "is not supported"),
        (", * * * *", "is not supported"),
        ("\N{ARABIC-INDIC DIGIT NINE} 9 * * *", "is not supported"),
        ("0 9 30 2 *", "never comes: no such month has that day"),
        ("0 9 31 4,6,9,11 *", "never comes: no such month has that day"),
        ("0 9 * * " + "1," * 5000, "day of the week: '' is not supported"),
    ],
)
def test_what_they_read_differently_or_not_at_all_is_refused_with_what_to_write(text: str, instead: str) -> None:
    with pytest.raises(ValueError, match=instead) as refused:
        checked_cron(text)
    assert len(str(refused.value)) < 250


@pytest.mark.parametrize(
    ("cron", "zone", "after", "next_time"),
    [
        ("30 2 * * *", "Europe/Berlin", "2027-03-27T02:30+01:00", "2027-03-29T02:30+02:00"),  # skipped on the 28th
        ("30 2 * * *", "Europe/Berlin", "2027-10-30T02:30+02:00", "2027-10-31T02:30+01:00"),  # shown twice
        ("0 9 * * *", "Europe/Berlin", "2027-03-27T09:00+01:00", "2027-03-28T09:00+02:00"),
        ("0 9 29 2 *", "UTC", "2027-01-01T00:00+00:00", "2028-02-29T09:00+00:00"),
    ],
)
def test_a_time_that_the_clock_skips_does_not_come_that_day(cron: str, zone: str, after: str, next_time: str) -> None:
    assert predict(cron, datetime.fromisoformat(after), ZoneInfo(zone)) == datetime.fromisoformat(next_time)
