"""Parses times as people write them: in a CSV file, on the command line, in a request."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from runtime.quoting import quote

YEARS = range(1970, 3000)
"""The years in which a time may lie. The migrations' function `whole_end` has the same limits."""
LONGEST_RELATIVE = timedelta(days=100 * 365)

_RELATIVE = re.compile(r"(?P<sign>[+-])(?P<count>[0-9]{1,10})(?P<unit>[dhms])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def parse_time(text: str) -> datetime | timedelta:
    """Parses ISO 8601 with offset to a time in UTC, and `+7d` or `-2h` (units d, h, m, s) to a distance from now.

    A time has whole seconds: a fraction is cut off. Raises ValueError that quotes the text and says what to write
    instead.
    """
    if relative := _RELATIVE.fullmatch(text):
        distance = _distance(int(relative["count"]), relative["unit"])
        if distance is None:
            raise ValueError(f"{quote(text)} is more than 100 years away")
        distance = -distance if relative["sign"] == "-" else distance
        _check_year(text, datetime.now(UTC) + distance)
        return distance
    return parse_moment(text, instead="ISO 8601 with offset or +7d")


def parse_moment(text: str, instead: str = "ISO 8601 with offset, such as 2027-12-01T00:00:00+01:00") -> datetime:
    """Parses ISO 8601 with offset to a time in UTC, in whole seconds, as `parse_time` does. Raises ValueError that says
    what to write `instead`."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{quote(text)} is not a time: write {instead}") from None
    if moment.tzinfo is None:
        raise ValueError(f"{quote(text)} has no offset: write {moment.isoformat()}+00:00 for UTC")
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise _out_of_range(text) from None
    _check_year(text, moment)
    return moment.replace(microsecond=0)


def parse_day(text: str) -> date:
    """Parses a day such as 2026-11-24. Raises ValueError that says what to write instead."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no time zone
    except ValueError:
        raise ValueError(f"{quote(text)} is not a day: write it as 2026-11-24") from None
    if day.year not in YEARS:
        raise _out_of_range(text)
    return day


def parse_instant(text: str) -> datetime:
    """Parses what `parse_time` does, with blanks around it, to a time. Raises ValueError as that does."""
    time = parse_time(text.strip())
    return (datetime.now(UTC) + time).replace(microsecond=0) if isinstance(time, timedelta) else time


def _check_year(text: str, moment: datetime) -> None:
    if moment.year not in YEARS:
        raise _out_of_range(text)


def _out_of_range(text: str) -> ValueError:
    return ValueError(f"{quote(text)} is out of range: write a time in the years {YEARS[0]} to {YEARS[-1]}")


def _distance(count: int, unit: str) -> timedelta | None:
    try:
        distance = timedelta(**{_UNITS[unit]: count})
    except OverflowError:
        return None
    return distance if distance <= LONGEST_RELATIVE else None
