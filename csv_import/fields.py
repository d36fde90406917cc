"""Parses the fields of a CSV line. Each parser takes the field's text, stripped and not empty.

A parser raises ValueError with a reason that quotes the text and says what to write instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Annotated, Any
from unicodedata import category

from email_validator import EmailNotValidError, validate_email
from pydantic import BeforeValidator, PlainValidator, ValidationInfo

from db.models import ProjectStatus
from runtime.names import LONGEST_NAME, STEPS, visible
from runtime.quoting import quote
from runtime.times import parse_time

CHAT_ID_BITS = 52
SLUG_LENGTH = 200
LONGEST_THRESHOLD_DAYS = 365

_SLUG = re.compile(r"[\w.~-]+")
_LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_TIME_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*", re.ASCII)
_QUIET_HOURS = re.compile(r"(?P<begins>[0-9]{2}:[0-9]{2}) *- *(?P<ends>[0-9]{2}:[0-9]{2})")
_CHAT_ID = re.compile(r"-?[0-9]{1,16}")
_DAYS = re.compile(r"[0-9]{1,3}")
_SEPARATORS = re.compile(r"[,;]")
_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
# An even number of backslashes before it: after an odd number the backslash is escaped and u0000 is plain text.
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True)
class Known:
    """What the database knows and a line alone does not show."""

    time_zones: Container[str]


def _slug(text: str) -> str:
    if not _SLUG.fullmatch(text):
        raise ValueError(f"{quote(text)} is not a slug: write letters, digits and - _ . ~ only")
    if text in STEPS:
        raise ValueError(f"{quote(text)} cannot be a slug, because no link can end in it")
    if len(text) > SLUG_LENGTH:
        raise ValueError(f"{quote(text)} has {len(text)} characters: write at most {SLUG_LENGTH}")
    return text


def _one_line(text: str) -> str:
    # The text may become part of a subject, and PostgreSQL cannot store NUL.
    if not text.isprintable() and any(category(character) in ("Cc", "Zl", "Zp") for character in text):
        raise ValueError(f"{quote(text)} contains a line break or another control character")
    seen = visible(text).strip()
    if not seen:
        raise ValueError(f"{quote(text)} has no visible character")
    if len(seen) > LONGEST_NAME:
        raise ValueError(f"{quote(text)} has {len(seen)} characters: write at most {LONGEST_NAME}")
    return seen


def _email(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise ValueError(f"{quote(text)} is not an e-mail address: {error}") from None


def _chat_id(text: str) -> int:
    if not _CHAT_ID.fullmatch(text) or not 0 < abs(int(text)) < 2**CHAT_ID_BITS:
        raise ValueError(f"{quote(text)} is not a chat id: write a whole number of at most {CHAT_ID_BITS} bits, not 0")
    return int(text)


def _locale(text: str) -> str:
    locale = text.replace("_", "-")
    if not _LOCALE.fullmatch(locale):
        raise ValueError(f"{quote(text)} is not a locale: write one such as en or pt-BR")
    return locale


def _timezone(text: str, info: ValidationInfo) -> str:
    # Only PostgreSQL knows whether there is such a zone, because its clocks are those that count.
    known = info.context.time_zones if isinstance(info.context, Known) else None
    if not _TIME_ZONE.fullmatch(text) or (known is not None and text not in known):
        raise ValueError(f"{quote(text)} is not an IANA time zone: write one such as Europe/Berlin")
    return text


def _quiet_hours(text: str) -> tuple[time, time]:
    if (match := _QUIET_HOURS.fullmatch(text)) is None:
        raise ValueError(f"{quote(text)} are not quiet hours: write 21:00-08:00, or leave the field empty")
    try:
        begins, ends = time.fromisoformat(match["begins"]), time.fromisoformat(match["ends"])
    except ValueError:
        raise ValueError(f"{quote(text)} contains a time that does not exist: write 00:00 to 23:59") from None
    if begins == ends:
        raise ValueError(f"{quote(text)} end when they begin: write 21:00-08:00, or leave the field empty")
    return begins, ends


def _flag(text: str) -> bool:
    try:
        return _FLAGS[text.lower()]
    except KeyError:
        raise ValueError(f"{quote(text)} is not a boolean: write true or false") from None


def _status(text: str) -> ProjectStatus:
    try:
        return ProjectStatus(text)
    except ValueError:
        raise ValueError(f"{quote(text)} is not a status: write one of {', '.join(ProjectStatus)}") from None


def _days(text: str) -> list[int]:
    # Separators alone would make an empty list, which would mean that the company is never notified.
    parts = _parts(text) or [text]
    for part in parts:
        if not _DAYS.fullmatch(part) or int(part) > LONGEST_THRESHOLD_DAYS:
            raise ValueError(f"{quote(part)} is not a number of days from 0 to {LONGEST_THRESHOLD_DAYS}: write 30,7,1")
    return sorted({int(part) for part in parts}, reverse=True)


def _tags(text: str) -> list[str]:
    return list(dict.fromkeys(_one_line(part) for part in _parts(text)))


def _parts(text: str) -> list[str]:
    return [part.strip() for part in _SEPARATORS.split(text) if part.strip()]


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "a value is too deep, too long or not JSON"
        raise ValueError(f"{quote(text)} is not JSON: {reason}") from None
    if not isinstance(value, dict):
        raise ValueError(f'{quote(text)} is not a JSON object: write {{"key": "value"}}')
    try:
        written = json.dumps(value, allow_nan=False, ensure_ascii=False)
        written.encode()
    except ValueError:
        raise ValueError(f"{quote(text)} contains a number or a character that cannot be stored") from None
    if _ESCAPED_NUL.search(written):
        raise ValueError(f"{quote(text)} contains the character NUL, which cannot be stored")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


Slug = Annotated[str, BeforeValidator(_slug)]
OneLine = Annotated[str, BeforeValidator(_one_line)]
Email = Annotated[str, BeforeValidator(_email)]
ChatId = Annotated[int, BeforeValidator(_chat_id)]
Locale = Annotated[str, BeforeValidator(_locale)]
TimeZone = Annotated[str, BeforeValidator(_timezone)]
QuietHours = Annotated[tuple[time, time], PlainValidator(_quiet_hours)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Status = Annotated[ProjectStatus, BeforeValidator(_status)]
Time = Annotated[datetime | timedelta, PlainValidator(parse_time)]
Days = Annotated[list[int], BeforeValidator(_days)]
Tags = Annotated[list[str], BeforeValidator(_tags)]
JsonObject = Annotated[dict[str, Any], BeforeValidator(_json_object)]
