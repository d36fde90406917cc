"""Reads a mail server's report that a mail could not be delivered (RFC 3464, RFC 6533, or in words), and a complaint
(RFC 5965).

Anyone can write to the mailbox that receives bounces, so nothing here trusts what it reads.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from email.message import EmailMessage
from quopri import decodestring
from typing import Any

from channels.base import RecipientGone
from channels.email.bounce_parts import (
    date,
    decoded,
    field,
    fields,
    is_automatic_answer,
    is_from_server,
    message_id,
    names_ours,
    notification_id,
    parse,
    returned_headers,
)
from channels.email.bounce_words import read_words
from channels.email.smtp_replies import Stage, outcome
from db.record.bounced import Bounce, Complaint, FailedRecipient
from runtime.cleaning import clean_reply

READ_BYTES = 256 * 1024
"""Bytes to read of a message: the report and the returned headers come first."""
MOST_BOUNDARIES = 32
"""How often the word "boundary" may occur in a report. Each nested part makes the parser slower on every line."""
DEEPEST = 8
"""Levels of nested parts in which a report is looked for."""

STATUS_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
FAILED_ACTIONS = frozenset({"failed", "failure", "expired"})
"""RFC 3464 knows the first one. Servers write the others too."""
OTHER_ACTIONS = frozenset({"delayed", "delivered", "relayed", "expanded"})
RECIPIENT_FIELDS = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To")
"""In the outermost headers these say to whom the report itself was sent."""

_ACTION = re.compile(r"[a-z]+", re.IGNORECASE)
_REPLY = re.compile(r"(\d{3})[ -]?(.*)")
_ENHANCED = re.compile(r"[#(]?[245]\.\d{1,3}\.\d{1,3}\b")
_ONLY_ENHANCED = re.compile(r"[45]\.\d{1,3}\.\d{1,3}\b")


class Unreadable(Exception):
    """The message is a bounce, or may be one, and cannot be read. The error's text contains no address."""


def read_bounce(raw: bytes) -> Bounce | Complaint | None:
    """Reads a bounce or a complaint. None: the message is neither, or it reports no failure. Raises `Unreadable`."""
    try:
        return _read(raw[:READ_BYTES].decode("utf-8", "replace"))  # headers may have any letters: RFC 6532
    except Unreadable:
        raise
    except Exception as error:  # the parser and the detectors may raise anything on a crafted message
        raise Unreadable(f"the report cannot be parsed: {type(error).__name__}") from error


def _read(text: str) -> Bounce | Complaint | None:
    headers = parse(text, headersonly=True)
    ours = names_ours(text)
    may_be_bounce = headers.get_content_type() == "multipart/report" or is_from_server(headers) or ours
    if text.lower().count("boundary") > MOST_BOUNDARIES:
        if may_be_bounce:
            raise Unreadable("the report has too many parts")
        return None
    message = parse(text)
    sent_to = fields(message, RECIPIENT_FIELDS)
    for part in _containers(message):
        if _report_type(part) == "feedback-report":
            return _complaint(part, sent_to)
        if part is message and _report_type(part) == "disposition-notification":
            return None
        if _has_status(part):
            return _report(part, sent_to) or _delay_or_words(part, text, message, sent_to)
    if _report_type(message) == "delivery-status":
        return _delay_or_words(message, text, message, sent_to)
    if not may_be_bounce:
        ours = any(names_ours(decoded(part)) for part in message.walk() if part.get_content_maintype() == "text")
    if not (may_be_bounce or ours):
        return None
    if (bounce := _words(text, message, sent_to)) is not _NOT_UNDERSTOOD:
        return bounce
    if is_automatic_answer(headers) and not is_from_server(headers):
        return None
    raise Unreadable("the report is not understood, and it may be about one of our e-mails")


def _containers(message: Any) -> Iterator[Any]:
    """Yields the message and the parts that have parts, the outermost first. A report may be forwarded in another
    message."""
    level = [message]
    for _ in range(DEEPEST):
        yield from level
        level = [child for part in level if part.is_multipart() for child in part.get_payload() if child.is_multipart()]


def _report_type(part: Any) -> str | None:
    if part.get_content_type() != "multipart/report":
        return None
    return str(part["Content-Type"].params.get("report-type", "delivery-status")).lower()


def _has_status(part: Any) -> bool:
    return part.get_content_maintype() == "multipart" and any(
        child.get_content_type() in STATUS_TYPES for child in part.get_payload() if not isinstance(child, str)
    )


def _report(report: Any, sent_to: tuple[str, ...]) -> Bounce | None:
    """Reads a report of RFC 3464. None: it reports no failure."""
    blocks = _all_blocks(report)
    failed = tuple(_failure(block) for block in blocks if _has_failed(block))
    return _bounce(failed, _returned(report), sent_to) if failed else None


def _delay_or_words(report: Any, text: str, message: Any, sent_to: tuple[str, ...]) -> Bounce | None:
    actions = [_action(block) for block in _all_blocks(report) if "Action" in block]
    if actions and OTHER_ACTIONS.issuperset(actions):
        return None
    bounce = _words(text, message, sent_to)
    if bounce is _NOT_UNDERSTOOD:
        raise Unreadable("the report has no outcome for any recipient")
    return bounce


_NOT_UNDERSTOOD = Bounce((), None, None, None)


def _words(text: str, message: Any, sent_to: tuple[str, ...]) -> Bounce | None:
    """Reads a bounce in words. None: it tells of a delay. Returns `_NOT_UNDERSTOOD` if it is not understood."""
    words = read_words(text, message)
    if words is None:
        return _NOT_UNDERSTOOD
    failed = tuple(
        FailedRecipient(frozenset({said.address}), clean_reply(said.reply), _is_gone("", said.reply))
        for said in words.failed
    )
    return _bounce(failed, words.returned, sent_to) if failed else None


def _complaint(report: Any, sent_to: tuple[str, ...]) -> Complaint | None:
    """Reads a complaint. None: it says that the message is not spam."""
    parts = [part for part in report.walk() if part.get_content_type() == "message/feedback-report"]
    if not parts:
        raise Unreadable("the report has no outcome for any recipient")
    said = parts[0].get_payload()
    about = said[0] if parts[0].is_multipart() else parse(decoded(parts[0]), headersonly=True)
    kind = field(about, "Feedback-Type").lower()
    if kind == "not-spam":
        return None
    returned = _returned(report)
    senders = (*fields(about, ("Original-Mail-From",)), *fields(returned, ("Return-Path",)))
    return Complaint(
        clean_reply(f"complaint: {kind or 'abuse'}"),
        message_id(returned),
        notification_id(returned),
        (*sent_to, *senders),
    )


def _returned(report: Any) -> Any:
    parts = report.get_payload() if report.is_multipart() else []
    return next((headers for part in parts if (headers := returned_headers(part)) is not None), EmailMessage())


def _bounce(failed: tuple[FailedRecipient, ...], returned: Any, sent_to: tuple[str, ...]) -> Bounce:
    return Bounce(failed, message_id(returned), notification_id(returned), date(returned), sent_to)


def _all_blocks(report: Any) -> list[Any]:
    parts = report.get_payload() if report.is_multipart() else []
    return [block for part in parts if part.get_content_type() in STATUS_TYPES for block in _blocks(part)]


def _blocks(status: Any) -> list[Any]:
    """Returns the groups of fields: one about the report, then one for each recipient."""
    if status.get_content_type() == "message/delivery-status":
        return list(status.get_payload()) if status.is_multipart() else []
    # The parser takes a report of RFC 6533 for a message, and all groups but the first for its text. In base64 or
    # quoted-printable, which RFC 6533 allows, all of it is text.
    blocks = status.get_payload() if status.is_multipart() else []
    rest = "".join(str(block.get_payload()) for block in blocks) if blocks else decoded(status)
    match field(status, "Content-Transfer-Encoding").lower():
        case "base64":
            rest = b64decode(rest).decode("utf-8", "replace")
        case "quoted-printable":
            rest = decodestring(rest.encode()).decode("utf-8", "replace")
        case _:
            pass
    return [*blocks, *(parse(text, headersonly=True) for text in re.split(r"\r?\n\s*\n", rest))]


def _failure(block: Any) -> FailedRecipient:
    status, diagnostic = field(block, "Status"), field(block, "Diagnostic-Code")
    addresses = (_address(field(block, name)) for name in ("Final-Recipient", "Original-Recipient"))
    _, _, said = diagnostic.partition(";")
    return FailedRecipient(
        frozenset(address for address in addresses if address),
        clean_reply(f"{status} {diagnostic}".strip()),
        _is_gone(status, said.strip()),
    )


def _action(block: Any) -> str:
    action = _ACTION.match(field(block, "Action"))
    return action[0].lower() if action else ""


def _has_failed(block: Any) -> bool:
    action = _action(block)
    return action in FAILED_ACTIONS or (
        bool(action) and action not in OTHER_ACTIONS and field(block, "Status").startswith("5")
    )


def _address(value: str) -> str:
    """`rfc822; Anna@customer.example` as `anna@customer.example`."""
    return value.rpartition(";")[2].strip().removeprefix("<").removesuffix(">").lower()


def _is_gone(status: str, said: str) -> bool:
    """Whether the address is gone, by the table for a server's direct answers. The remote server's own code is more
    precise than Status."""
    reply = None if _ONLY_ENHANCED.match(said) else _REPLY.match(said)
    code, words = (int(reply[1]), reply[2]) if reply else (550, said)
    if not _ENHANCED.match(words):
        words = f"{status} {words}".strip()
    return isinstance(outcome(Stage.RCPT, code, words), RecipientGone)
