"""Cron expressions of five fields, in the one meaning that cron and Temporal share. All others are refused.

Temporal reads cron in its own way: day of the month and day of the week must both match, `MON#2` is every Monday, and
a sixth field is a year. `CronSim` reads it as Debian does. What this module accepts means the same to both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

from cronsim import CronSim, CronSimError

from runtime.quoting import quote

FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")
EXAMPLE = "write minute, hour, day of the month, month and day of the week, such as 0 9 * * 1"

_MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
_DAYS = "SUN MON TUE WED THU FRI SAT".split()
_RANGES = (range(60), range(24), range(1, 32), range(1, 13), range(7))
_NAMES: tuple[Sequence[str], ...] = ((), (), (), _MONTHS, _DAYS)
_INSTEAD_OF = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_TERM = re.compile(r"(?:\*|(?P<first>[0-9A-Z]{1,3})(?:-(?P<last>[0-9A-Z]{1,3}))?)(?:/(?P<step>[0-9]{1,2}))?")


def checked_cron(text: str) -> str:
    """Returns the expression with single spaces, in capitals. Raises ValueError that says what to write instead."""
    fields = text.upper().split()
    if fields and fields[0].startswith("@"):
        instead = _INSTEAD_OF.get(fields[0].lower())
        raise ValueError(f"{quote(text)} is not five fields: {f'write {instead}' if instead else EXAMPLE}")
    if len(fields) != len(FIELDS):
        count = f"{len(fields)} field{'' if len(fields) == 1 else 's'}"
        raise ValueError(f"{quote(text)} has {count} instead of five, without seconds and year: {EXAMPLE}")
    for name, field, allowed, names in zip(FIELDS, fields, _RANGES, _NAMES, strict=True):
        for term in field.split(","):
            _check_term(name, term, allowed, names)
    if fields[2] != "*" and fields[4] != "*":
        raise ValueError(
            f"{quote(text)} restricts both the day of the month and the day of the week, which cron and Temporal read "
            "differently: write * for one of them"
        )
    expression = " ".join(fields)
    try:
        next(CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration):
        raise ValueError(f"{quote(text)} never comes: no such month has that day") from None
    return expression


def _check_term(name: str, term: str, allowed: range, names: Sequence[str]) -> None:
    said = f"{name}: {quote(term)}"
    parts = _TERM.fullmatch(term)
    choice = f"a number from {allowed[0]} to {allowed[-1]}" + (f" or a name such as {names[1]}" if names else "")
    if parts is None:
        raise ValueError(f"{said} is not supported: write *, {choice}, a range, a list, or a step such as */5")
    values = [_value(said, part, choice, allowed, names) for part in (parts["first"], parts["last"]) if part]
    if values != sorted(values):
        raise ValueError(f"{said} ends before it begins: write two ranges")
    if parts["step"] is not None and int(parts["step"]) not in range(1, len(allowed) + 1):
        raise ValueError(f"{said} has no possible step: write one from 1 to {len(allowed)}")


def _value(said: str, text: str, choice: str, allowed: range, names: Sequence[str]) -> int:
    if text in names:
        return allowed[0] + names.index(text)
    if text == "7" and names is _DAYS:
        raise ValueError(f"{said} has a 7: write 0 for Sunday")
    if not text.isdigit():
        raise ValueError(f"{said} is not supported: write {choice}")
    if int(text) not in allowed:
        raise ValueError(f"{said} is out of range: write {choice}")
    return int(text)


def predict(expression: str, after: datetime, zone: tzinfo) -> datetime:
    """Returns the next time after `after`, in UTC, of an expression that `checked_cron` returned.

    A time that the clock skips does not come on that day. One that the clock shows twice is taken to be the second.
    Temporal may run more often around that hour, but never earlier than the first of the two.
    """
    local = after.astimezone(zone).replace(tzinfo=None)
    for naive in CronSim(expression, local):
        moment = naive.replace(tzinfo=zone, fold=1).astimezone(UTC)
        if moment > after and moment.astimezone(zone).replace(tzinfo=None) == naive:
            return moment
    raise ValueError(f"{expression} never comes")
