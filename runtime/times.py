"""A time as people write it: in a CSV file, on the command line, in a request."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from runtime.quoting import quote

LONGEST_RELATIVE = timedelta(days=100 * 365)

_RELATIVE = re.compile(r"(?P<sign>[+-])(?P<count>[0-9]{1,10})(?P<unit>[dhms])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def parse_time(text: str) -> datetime | timedelta:
    """ISO 8601 with offset gives a time in UTC; `+7d` or `-2h` (units d, h, m, s) the distance from now.

    Raises ValueError, which quotes the text and says what to write instead.
    """
    if relative := _RELATIVE.fullmatch(text):
        distance = _distance(int(relative["count"]), relative["unit"])
        if distance is None:
            raise ValueError(f"{quote(text)} is more than 100 years away")
        return -distance if relative["sign"] == "-" else distance
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{quote(text)} is not a time: write ISO 8601 with offset or +7d") from None
    if moment.tzinfo is None:
        raise ValueError(f"{quote(text)} has no offset: write {moment.isoformat()}+00:00 for UTC")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{quote(text)} is out of range") from None


def _distance(count: int, unit: str) -> timedelta | None:
    try:
        distance = timedelta(**{_UNITS[unit]: count})
    except OverflowError:
        return None
    return distance if distance <= LONGEST_RELATIVE else None
