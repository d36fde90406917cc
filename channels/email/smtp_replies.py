"""What each answer of a mail server means for the message: one table, read from the top.

RFC 5321 4.2.1: 4yz is transient, 5yz permanent. RFC 3463: an enhanced status code is more precise, and its class takes
precedence. The stage decides whose fault a permanent reply is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from channels.base import InDoubt, NotHandedOver, OperatorFault, Receipt, RecipientGone, Rejected, TryAgain
from runtime.cleaning import clean_reply


class Stage(StrEnum):
    """The step of the SMTP conversation that was answered."""

    CONNECT = "connect"
    """TCP, implicit TLS and the server's greeting."""
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    """The command. No byte of the text was written yet."""
    DATA_END = "data_end"
    """The text and its final dot."""


def hands_over(stage: Stage) -> bool:
    """Whether the server may have taken the text by what it answers at this stage."""
    match stage:
        case Stage.DATA_END:
            return True
        case Stage.CONNECT | Stage.EHLO | Stage.STARTTLS | Stage.AUTH | Stage.MAIL | Stage.RCPT | Stage.DATA:
            return False
        case _:
            assert_never(stage)


class NoReply(StrEnum):
    """Why there was no reply."""

    FAILED = "failed"
    """There is no connection."""
    DISCONNECTED = "disconnected"
    TIMEOUT = "timeout"
    MALFORMED = "malformed"
    """The answer was not SMTP, or a reply without an end."""
    NOT_OFFERED = "not_offered"
    """The server does not offer the extension."""
    CERTIFICATE_REFUSED = "certificate_refused"
    """We refuse the certificate: it is not for this server, or no authority that we trust has signed it."""


@dataclass(frozen=True)
class Row:
    """One row of the table; the first row that fits gives the `outcome`. None fits everything."""

    stages: frozenset[Stage] | None
    answer: range | NoReply | None
    outcome: type[Receipt | NotHandedOver | InDoubt]
    meaning: str
    enhanced: frozenset[str] | None = None
    """Subject and detail of RFC 3463, such as `1.1`."""
    text: re.Pattern[str] | None = None
    """A text in the reply, for when the codes do not say whose fault it is."""

    def fits(self, stage: Stage, answer: int | NoReply, enhanced: str | None, text: str) -> bool:
        if self.stages is not None and stage not in self.stages:
            return False
        if self.enhanced is not None and enhanced not in self.enhanced:
            return False
        if self.text is not None and not self.text.search(text):
            return False
        if isinstance(self.answer, range):
            return not isinstance(answer, NoReply) and answer in self.answer
        return self.answer is None or self.answer == answer


def _at(*stages: Stage) -> frozenset[Stage]:
    return frozenset(stages)


HANDOVER = frozenset(filter(hands_over, Stage))
SUCCESS, TRANSIENT, PERMANENT = range(200, 300), range(400, 500), range(500, 600)
NO_SUCH_RECIPIENT = frozenset({"1.1", "1.2", "1.3", "1.6", "1.10", "2.1"})
"""Bad mailbox, bad system, bad syntax, moved, null MX (RFC 7505), mailbox disabled."""
NO_RELAY = re.compile(
    r"relay(ing)? (access )?(denied|not permitted)|unable to relay|client host rejected",
    re.IGNORECASE,
)
"""What a submission service answers at RCPT to a client that has not logged in. It uses 554 5.7.1, as recipients'
policies do."""
OUR_SENDER = re.compile(
    r"sender address rejected|sendasdenied|not allowed to send as|not owned by user|(sending|message) (limit|quota)",
    re.IGNORECASE,
)
"""Postfix reports restrictions on the sender at RCPT (smtpd_delay_reject); other servers report a used-up quota."""
OUR_SENDER_CODES = frozenset({"1.7", "1.8"})

TABLE: tuple[Row, ...] = (
    Row(HANDOVER, SUCCESS, Receipt, "The server has taken responsibility (RFC 5321 4.2.5)"),
    Row(None, range(421, 422), TryAgain, "The server closes the connection (RFC 5321 4.2.3); we open a new one"),
    Row(None, range(530, 531), OperatorFault, "Authentication is required (RFC 4954)"),
    Row(_at(Stage.AUTH), TRANSIENT, TryAgain, "454: a temporary failure of the authentication (RFC 4954)"),
    Row(_at(Stage.AUTH), PERMANENT, OperatorFault, "535: wrong credentials; 534, 538: the mechanism is too weak"),
    Row(_at(Stage.AUTH), NoReply.NOT_OFFERED, OperatorFault, "The server offers no AUTH, or none that we support"),
    Row(_at(Stage.STARTTLS), TRANSIENT, TryAgain, "454: TLS is temporarily not available (RFC 3207)"),
    Row(_at(Stage.STARTTLS), PERMANENT, OperatorFault, "STARTTLS is refused: nothing is sent unencrypted"),
    Row(_at(Stage.STARTTLS), NoReply.NOT_OFFERED, OperatorFault, "STARTTLS is not offered, or an attacker removed it"),
    Row(None, NoReply.CERTIFICATE_REFUSED, OperatorFault, "The certificate is not trusted, or not this server's"),
    Row(None, TRANSIENT, TryAgain, "A temporary failure, such as greylisting (450, 451)"),
    Row(_at(Stage.CONNECT, Stage.EHLO), PERMANENT, OperatorFault, "554: the server refuses us"),
    Row(_at(Stage.MAIL), PERMANENT, OperatorFault, "Our sender address is refused for every recipient"),
    Row(
        _at(Stage.RCPT),
        PERMANENT,
        OperatorFault,
        "`Relay access denied` or similar: the server does not relay for us without a login",
        text=NO_RELAY,
    ),
    Row(
        _at(Stage.RCPT, Stage.DATA, Stage.DATA_END),
        PERMANENT,
        OperatorFault,
        "`Sender address rejected`, `SendAsDenied` or a sending limit: we are refused, not the recipient",
        text=OUR_SENDER,
    ),
    Row(
        _at(Stage.RCPT, Stage.DATA_END),
        PERMANENT,
        OperatorFault,
        "5.1.7, 5.1.8: our sender address is malformed or its domain unknown (RFC 3463)",
        OUR_SENDER_CODES,
    ),
    Row(
        _at(Stage.RCPT, Stage.DATA_END),
        PERMANENT,
        RecipientGone,
        "5.1.1, 5.1.2, 5.1.3, 5.1.6, 5.1.10, 5.2.1: there is no such mailbox (RFC 3463)",
        NO_SUCH_RECIPIENT,
    ),
    Row(
        _at(Stage.RCPT, Stage.DATA, Stage.DATA_END), PERMANENT, Rejected, "Refused for good: this message or recipient"
    ),
    Row(HANDOVER, NoReply.DISCONNECTED, InDoubt, "It may have been taken before the connection broke"),
    Row(HANDOVER, NoReply.TIMEOUT, InDoubt, "It may have been taken (RFC 5321 4.5.3.2: 10 minutes)"),
    Row(HANDOVER, None, InDoubt, "The answer is not SMTP: the outcome is unknown"),
    Row(None, NoReply.FAILED, TryAgain, "No connection: refused, no route, no such host"),
    Row(None, NoReply.DISCONNECTED, TryAgain, "Disconnected before the text; counts as 451 (RFC 5321 3.8)"),
    Row(None, NoReply.TIMEOUT, TryAgain, "No answer in time, before the text"),
    Row(None, None, TryAgain, "A reply that no RFC defines: certainly not an acceptance"),
)

_ENHANCED = re.compile(r"^([245])\.(\d{1,3}\.\d{1,3})\b")


def outcome(stage: Stage, code: int, message: str) -> Receipt | NotHandedOver | InDoubt:
    """Returns the outcome of a reply, with the reason `smtp_<stage>_<code>`. The message is made clean and cut before
    it is matched."""
    message = clean_reply(message)
    enhanced = _ENHANCED.match(message)
    answer = code
    if enhanced and code // 100 in (4, 5) and enhanced[1] != "2":
        answer = int(enhanced[1]) * 100 + code % 100
    row = _row(stage, answer if code not in (421, 530) else code, enhanced[2] if enhanced else None, message)
    return _make(row, f"smtp_{stage}_{code}", f"{code} {message}")


def without_reply(stage: Stage, what: NoReply, detail: str | None = None) -> NotHandedOver | InDoubt:
    """Returns the outcome of a missing reply, with the reason `smtp_<stage>_<what>`. `detail` goes to the database."""
    made = _make(_row(stage, what, None, ""), _reason(stage, what), detail)
    assert not isinstance(made, Receipt)  # noqa: S101 - the table has no such row
    return made


def _reason(stage: Stage, what: NoReply) -> str:
    match what:
        case NoReply.CERTIFICATE_REFUSED:  # at whichever stage TLS begins
            return f"smtp_{what}"
        case NoReply.FAILED | NoReply.DISCONNECTED | NoReply.TIMEOUT | NoReply.MALFORMED | NoReply.NOT_OFFERED:
            return f"smtp_{stage}_{what}"
        case _:
            assert_never(what)


def _row(stage: Stage, answer: int | NoReply, enhanced: str | None, text: str) -> Row:
    return next(row for row in TABLE if row.fits(stage, answer, enhanced, text))


def _make(row: Row, reason: str, reply: str | None) -> Receipt | NotHandedOver | InDoubt:
    if issubclass(row.outcome, Receipt):
        return Receipt(provider_id=None, reply=reply or "")
    if issubclass(row.outcome, InDoubt):
        return InDoubt(reason)
    return row.outcome(reason, reply)
