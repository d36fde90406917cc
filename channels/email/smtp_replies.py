"""What each answer of a mail server means for the message: one table, read from the top.

RFC 5321 4.2.1: 4yz is transient, 5yz permanent. RFC 3463: an enhanced status code is more precise, and its class takes
precedence. `refusals` says whose fault a permanent reply is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from channels.base import InDoubt, NotHandedOver, OperatorFault, Receipt, RecipientGone, Rejected, TryAgain
from channels.email.refusals import Fault, fault_of
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
    fault: Fault | None = None
    """Whose fault a permanent refusal is."""

    def fits(self, stage: Stage, answer: int | NoReply, fault: Fault | None) -> bool:
        if self.stages is not None and stage not in self.stages:
            return False
        if self.fault is not None and fault is not self.fault:
            return False
        if isinstance(self.answer, range):
            return not isinstance(answer, NoReply) and answer in self.answer
        return self.answer is None or self.answer == answer


def _at(*stages: Stage) -> frozenset[Stage]:
    return frozenset(stages)


HANDOVER = frozenset(filter(hands_over, Stage))
SUCCESS, TRANSIENT, PERMANENT = range(200, 300), range(400, 500), range(500, 600)
ABOUT_THE_MESSAGE = frozenset({Stage.RCPT, Stage.DATA, Stage.DATA_END})
"""Servers report restrictions on the sender here too: Postfix at RCPT (smtpd_delay_reject), filters after the text."""


def _refusal(fault: Fault) -> Row:
    """Returns the row of a permanent refusal that is this one's fault."""
    stages = ABOUT_THE_MESSAGE
    match fault:
        case Fault.US:
            return Row(stages, PERMANENT, OperatorFault, "We are refused, not the recipient", fault)
        case Fault.PASSING:
            return Row(stages, PERMANENT, TryAgain, "The recipient takes no mail just now", fault)
        case Fault.GONE:
            return Row(stages, PERMANENT, RecipientGone, "There is no such mailbox", fault)
        case Fault.RECIPIENT:
            return Row(stages, PERMANENT, Rejected, "This message or this recipient is refused", fault)
        case _:
            assert_never(fault)


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
    *map(_refusal, Fault),
    Row(HANDOVER, NoReply.DISCONNECTED, InDoubt, "It may have been taken before the connection broke"),
    Row(HANDOVER, NoReply.TIMEOUT, InDoubt, "It may have been taken (RFC 5321 4.5.3.2: 10 minutes)"),
    Row(HANDOVER, None, InDoubt, "The answer is not SMTP: the outcome is unknown"),
    Row(None, NoReply.FAILED, TryAgain, "No connection: refused, no route, no such host"),
    Row(None, NoReply.DISCONNECTED, TryAgain, "Disconnected before the text; counts as 451 (RFC 5321 3.8)"),
    Row(None, NoReply.TIMEOUT, TryAgain, "No answer in time, before the text"),
    Row(None, None, TryAgain, "A reply that no RFC defines: certainly not an acceptance"),
)

_ENHANCED = re.compile(r"^[#(\[]?([245])\.(\d{1,3}\.\d{1,3})\b")


def outcome(stage: Stage, code: int, message: str) -> Receipt | NotHandedOver | InDoubt:
    """Returns the outcome of a reply, with the reason `smtp_<stage>_<code>`. The message is made clean and cut before
    it is matched."""
    message = clean_reply(message)
    enhanced = _ENHANCED.match(message)
    answer = code
    if enhanced and code // 100 in (4, 5) and enhanced[1] != "2":
        answer = int(enhanced[1]) * 100 + code % 100
    if code in (421, 530):
        answer = code
    fault = fault_of(enhanced[2] if enhanced else None, message) if answer in PERMANENT else None
    row = _row(stage, answer, fault)
    return _make(row, f"smtp_{stage}_{code}", f"{code} {message}")


def without_reply(stage: Stage, what: NoReply, detail: str | None = None) -> NotHandedOver | InDoubt:
    """Returns the outcome of a missing reply, with the reason `smtp_<stage>_<what>`. `detail` goes to the database."""
    made = _make(_row(stage, what, None), _reason(stage, what), detail)
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


def _row(stage: Stage, answer: int | NoReply, fault: Fault | None) -> Row:
    return next(row for row in TABLE if row.fits(stage, answer, fault))


def _make(row: Row, reason: str, reply: str | None) -> Receipt | NotHandedOver | InDoubt:
    if issubclass(row.outcome, Receipt):
        return Receipt(provider_id=None, reply=reply or "")
    if issubclass(row.outcome, InDoubt):
        return InDoubt(reason)
    return row.outcome(reason, reply)
