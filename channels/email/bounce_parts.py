"""Parses mails that anyone may have written, in bounded time, and finds what they say about one of our e-mails."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import Parser
from typing import Any

from contracts.keys import NotificationType

LONGEST_FIELD = 4000
"""Characters of a header, or of lines that may be one. The parser needs minutes for a crafted one."""

RETURNED_TYPES = frozenset({"message/rfc822", "message/global", "message/global-headers"})
RETURNED_HEADERS = frozenset({"text/rfc822-headers"})

_PARSER = Parser(EmailMessage, policy=policy.default)
_MESSAGE_ID = re.compile(r"<[^<>\s]{3,500}>")
_NUMBER = re.compile(r"\d{1,18}")
_TYPES = "|".join(NotificationType)
_OURS = re.compile(
    rf"\b(?:{_TYPES})\.[a-z0-9_.-]{{1,120}}@|\b(?:{_TYPES})\.(?:project|content)-\d{{1,18}}\.\d{{8}}t|x-notification-id:",
    re.IGNORECASE,
)
_DAEMON = re.compile(r"mailer-?daemon|postmaster@|mail delivery|mdaemon|microsoftexchange", re.IGNORECASE)


def parse(text: str, *, headersonly: bool = False) -> EmailMessage:
    """Parses a message and cuts headers that are too long. That may also cut its text."""
    return _PARSER.parsestr(bounded(text), headersonly=headersonly)


def bounded(text: str) -> str:
    """Returns the message with lines that may be headers cut."""
    lines: list[str] = []
    room = LONGEST_FIELD
    for line in re.split(r"\r\n|\r|\n", text):
        if not line.startswith((" ", "\t")):
            room = LONGEST_FIELD
        if room > 0:
            lines.append(line[:room])
        room -= len(line)
    return "\n".join(lines)


def field(message: Any, name: str) -> str:
    """Returns the field as one line of printable characters; empty if there is none."""
    return _printable(str(message.get(name, "")))


def fields(message: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    """Returns all fields of these names, each as one line."""
    return tuple(_printable(str(value)) for name in names for value in message.get_all(name, []))


def _printable(value: str) -> str:
    return " ".join("".join(character if character.isprintable() else " " for character in value).split())


def decoded(part: Any) -> str:
    """Returns the text of a part, whatever its charset is said to be."""
    return bytes(part.get_payload(decode=True) or b"").decode("utf-8", "replace")


def returned_headers(part: Any) -> Any:
    """Returns the headers of the mail that came back, if this part has them."""
    kind = part.get_content_type()
    if kind in RETURNED_TYPES and part.is_multipart():
        return next(iter(part.get_payload()), None)
    if kind in RETURNED_HEADERS | RETURNED_TYPES:
        return parse(decoded(part), headersonly=True)
    return None


def message_id(headers: Any) -> str | None:
    found = _MESSAGE_ID.search(field(headers, "Message-ID"))
    return found[0] if found else None


def notification_id(headers: Any) -> int | None:
    found = _NUMBER.fullmatch(field(headers, "X-Notification-Id"))
    return int(found[0]) if found else None


def date(headers: Any) -> datetime | None:
    header = headers["Date"]
    moment: datetime | None = header.datetime if header is not None else None
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=UTC)


def names_ours(text: str) -> bool:
    """Whether a text has one of our Message-IDs or our own header."""
    return _OURS.search(text) is not None


def is_from_server(headers: Any) -> bool:
    """Whether a mail is from the null sender, or says that it is from a mail server."""
    null_sender = any(value == "<>" for value in fields(headers, ("Return-Path",)))
    return null_sender or _DAEMON.search(field(headers, "From")) is not None or "X-Failed-Recipients" in headers


def is_automatic_answer(headers: Any) -> bool:
    """Whether a mail says that it answers by itself (RFC 3834)."""
    return field(headers, "Auto-Submitted").lower().startswith("auto-replied")
