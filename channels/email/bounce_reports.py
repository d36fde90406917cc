"""Reads a mail server's report that a mail could not be delivered: RFC 3464, and RFC 6533 for international addresses.

Anyone can write to the mailbox that receives bounces, so nothing here trusts what it reads.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import Parser
from typing import Any

from channels.base import RecipientGone
from channels.email.smtp_replies import Stage, outcome
from db.record.bounced import Bounce, FailedRecipient

READ_BYTES = 256 * 1024
"""Bytes to read of a message: the report and the returned headers come first."""
LONGEST_FIELD = 4000
"""Characters of a header, or of lines that may be one. The parser needs minutes for a crafted one."""
MOST_BOUNDARIES = 32
"""How often the word "boundary" may occur in a report. Each nested part makes the parser slower on every line."""
LONGEST_REPLY = 1000
"""Characters."""

STATUS_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
RETURNED_TYPES = frozenset({"message/rfc822", "message/global", "message/global-headers"})
RETURNED_HEADERS = "text/rfc822-headers"

_PARSER = Parser(EmailMessage, policy=policy.default)
_ACTION = re.compile(r"[a-z]+", re.IGNORECASE)
_MESSAGE_ID = re.compile(r"<[^<>\s]{3,500}>")
_NUMBER = re.compile(r"\d{1,18}")
_REPLY = re.compile(r"(\d{3})[ -]?(.*)")
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")


class Unreadable(Exception):
    """The message is marked as a report but cannot be read. The error's text contains no address."""


def read_bounce(raw: bytes) -> Bounce | None:
    """Reads a bounce. None: the message is not a report, or it reports no failure. Raises `Unreadable`."""
    try:
        return _read(raw[:READ_BYTES].decode("utf-8", "replace"))  # headers may have any letters: RFC 6532
    except Unreadable:
        raise
    except Exception as error:  # the standard library's parser may raise anything on a crafted message
        raise Unreadable(f"the report cannot be parsed: {type(error).__name__}") from error


def _read(text: str) -> Bounce | None:
    if not _is_report(_parse(text, headersonly=True)):
        return None
    if text.lower().count("boundary") > MOST_BOUNDARIES:
        raise Unreadable("the report has too many parts")
    report = _parse(text)
    parts = list(report.iter_parts()) if report.is_multipart() else []
    blocks = [block for part in parts if part.get_content_type() in STATUS_TYPES for block in _blocks(part)]
    if not any("Action" in block for block in blocks):
        raise Unreadable("the report has no outcome for any recipient")
    failed = tuple(_failure(block) for block in blocks if _action(block) == "failed")
    if not failed:
        return None
    returned = next((headers for part in parts if (headers := _returned_headers(part)) is not None), EmailMessage())
    message_id = _MESSAGE_ID.search(_field(returned, "Message-ID"))
    notification_id = _NUMBER.fullmatch(_field(returned, "X-Notification-Id"))
    return Bounce(
        failed,
        message_id[0] if message_id else None,
        int(notification_id[0]) if notification_id else None,
        _date(returned),
    )


def _parse(text: str, *, headersonly: bool = False) -> EmailMessage:
    """Parses a message and cuts headers that are too long. That may also cut its text, which is not used."""
    lines: list[str] = []
    room = LONGEST_FIELD
    for line in re.split(r"\r\n|\r|\n", text):
        if not line.startswith((" ", "\t")):
            room = LONGEST_FIELD
        if room > 0:
            lines.append(line[:room])
        room -= len(line)
    return _PARSER.parsestr("\n".join(lines), headersonly=headersonly)


def _is_report(message: EmailMessage) -> bool:
    if message.get_content_type() != "multipart/report":
        return False
    kind = message["Content-Type"].params.get("report-type", "delivery-status")
    return str(kind).lower() == "delivery-status"


def _blocks(status: Any) -> list[Any]:
    """Returns the groups of fields: one about the report, then one for each recipient."""
    blocks = status.get_payload() if status.is_multipart() else []
    if status.get_content_type() == "message/delivery-status":
        return list(blocks)
    # The parser takes a report of RFC 6533 for a message, and all groups but the first for its text.
    rest = "".join(str(block.get_payload()) for block in blocks)
    return [*blocks, *(_parse(text, headersonly=True) for text in re.split(r"\r?\n\s*\n", rest))]


def _failure(block: Any) -> FailedRecipient:
    status, diagnostic = _field(block, "Status"), _field(block, "Diagnostic-Code")
    addresses = (_address(_field(block, name)) for name in ("Final-Recipient", "Original-Recipient"))
    return FailedRecipient(
        frozenset(address for address in addresses if address),
        f"{status} {diagnostic}".strip()[:LONGEST_REPLY],
        _is_gone(status, diagnostic),
    )


def _action(block: Any) -> str:
    action = _ACTION.match(_field(block, "Action"))
    return action[0].lower() if action else ""


def _address(field: str) -> str:
    """`rfc822; Anna@customer.example` as `anna@customer.example`."""
    return field.rpartition(";")[2].strip().removeprefix("<").removesuffix(">").lower()


def _is_gone(status: str, diagnostic: str) -> bool:
    """Whether the address is gone, by the table for a server's direct answers. The remote server's own code is more
    precise than Status."""
    _, _, said = diagnostic.partition(";")
    reply = _REPLY.match(said.strip())
    code, words = (int(reply[1]), reply[2]) if reply else (550, said.strip())
    if not _ENHANCED.match(words):
        words = f"{status} {words}"
    return isinstance(outcome(Stage.RCPT, code, words), RecipientGone)


def _returned_headers(part: Any) -> Any:
    """Returns the headers of the mail that came back, if this part has them."""
    kind = part.get_content_type()
    if kind in RETURNED_TYPES and part.is_multipart():
        return next(iter(part.get_payload()), None)
    if kind == RETURNED_HEADERS:
        return _parse(bytes(part.get_payload(decode=True)).decode("utf-8", "replace"), headersonly=True)
    return None


def _date(message: Any) -> datetime | None:
    header = message["Date"]
    moment: datetime | None = header.datetime if header is not None else None
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=UTC)


def _field(message: Any, name: str) -> str:
    """Returns the field as one line of printable characters; empty if there is none."""
    value = str(message.get(name, ""))
    return " ".join("".join(character if character.isprintable() else " " for character in value).split())
