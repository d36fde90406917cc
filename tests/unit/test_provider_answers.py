"""What each provider's answer means."""

from __future__ import annotations

from datetime import timedelta

import pytest

from channels.base import (
    InDoubt,
    NotHandedOver,
    OperatorFault,
    Receipt,
    RecipientGone,
    RecipientMoved,
    Rejected,
    TryAgain,
)
from channels.email import smtp_replies
from channels.email.smtp_replies import NoReply, Stage
from channels.telegram import replies
from channels.telegram.replies import NoAnswer, Parameters


@pytest.mark.parametrize(
    ("stage", "code", "message", "expected"),
    [
        (Stage.RCPT, 450, "4.2.0 greylisted", TryAgain),
        (Stage.RCPT, 550, "no such user", Rejected),
        (Stage.RCPT, 550, "5.7.1 not from you", OperatorFault),
        (Stage.RCPT, 554, "5.7.1 <a@b.example>: Relay access denied", OperatorFault),
        (Stage.RCPT, 554, "5.7.1 <unknown[10.0.0.1]>: Client host rejected: Access denied", OperatorFault),
        (Stage.RCPT, 553, "5.7.1 <us@a.example>: Sender address rejected: not owned by user", OperatorFault),
        (Stage.RCPT, 550, "5.1.8 <us@a.example>: Domain not found", OperatorFault),
        (Stage.DATA_END, 554, "5.2.252 SendAsDenied; us not allowed to send as them", OperatorFault),
        (Stage.RCPT, 550, "5.4.5 Daily user sending limit exceeded", OperatorFault),
        (Stage.RCPT, 550, "5.1.1 no such user", RecipientGone),
        (Stage.RCPT, 556, "5.1.10 null MX", RecipientGone),
        (Stage.DATA_END, 550, "5.2.1 mailbox disabled", RecipientGone),
        (Stage.RCPT, 550, "4.7.1 wait", TryAgain),
        (Stage.RCPT, 421, "4.3.2 closing", TryAgain),
        (Stage.DATA, 554, "5.5.1 no valid recipients", Rejected),
        (Stage.DATA, 451, "4.3.0 later", TryAgain),
        (Stage.DATA_END, 552, "5.3.4 too big", Rejected),
        (Stage.DATA_END, 451, "4.3.0 later", TryAgain),
        (Stage.DATA_END, 421, "4.3.2 closing", TryAgain),
        (Stage.STARTTLS, 454, "4.7.0 no TLS for now", TryAgain),
        (Stage.STARTTLS, 502, "5.5.1 no TLS", OperatorFault),
        (Stage.MAIL, 550, "5.7.1 sender refused", OperatorFault),
        (Stage.AUTH, 535, "5.7.8 bad credentials", OperatorFault),
        (Stage.AUTH, 454, "4.7.0 not now", TryAgain),
        (Stage.RCPT, 530, "5.7.0 authenticate first", OperatorFault),
        (Stage.CONNECT, 554, "5.3.2 no service here", OperatorFault),
        (Stage.CONNECT, 421, "4.3.2 busy", TryAgain),
        (Stage.EHLO, 502, "5.5.1 what?", OperatorFault),
        (Stage.RCPT, 250, "a reply that makes no sense", TryAgain),
        (Stage.RCPT, 999, "nor does this", TryAgain),
    ],
)
def test_smtp(stage: Stage, code: int, message: str, expected: type[NotHandedOver]) -> None:
    outcome = smtp_replies.outcome(stage, code, message)
    assert isinstance(outcome, NotHandedOver)
    assert type(outcome) is expected
    assert outcome.reason == f"smtp_{stage}_{code}"
    assert outcome.reply == f"{code} {message}"


def test_smtp_takes_responsibility_only_for_the_text() -> None:
    assert smtp_replies.outcome(Stage.DATA_END, 250, "2.0.0 queued") == Receipt(None, "250 2.0.0 queued")
    assert isinstance(smtp_replies.outcome(Stage.DATA, 250, "what?"), TryAgain)


@pytest.mark.parametrize(
    ("stage", "what", "expected", "reason"),
    [
        (Stage.CONNECT, NoReply.FAILED, TryAgain, "smtp_connect_failed"),
        (Stage.CONNECT, NoReply.CERTIFICATE_REFUSED, OperatorFault, "smtp_certificate_refused"),
        (Stage.STARTTLS, NoReply.CERTIFICATE_REFUSED, OperatorFault, "smtp_certificate_refused"),
        (Stage.STARTTLS, NoReply.NOT_OFFERED, OperatorFault, "smtp_starttls_not_offered"),
        (Stage.AUTH, NoReply.NOT_OFFERED, OperatorFault, "smtp_auth_not_offered"),
        (Stage.EHLO, NoReply.MALFORMED, TryAgain, "smtp_ehlo_malformed"),
        (Stage.RCPT, NoReply.DISCONNECTED, TryAgain, "smtp_rcpt_disconnected"),
        (Stage.DATA, NoReply.TIMEOUT, TryAgain, "smtp_data_timeout"),
        (Stage.DATA_END, NoReply.DISCONNECTED, InDoubt, "smtp_data_end_disconnected"),
        (Stage.DATA_END, NoReply.TIMEOUT, InDoubt, "smtp_data_end_timeout"),
        (Stage.DATA_END, NoReply.MALFORMED, InDoubt, "smtp_data_end_malformed"),
    ],
)
def test_smtp_without_a_reply(
    stage: Stage, what: NoReply, expected: type[NotHandedOver | InDoubt], reason: str
) -> None:
    outcome = smtp_replies.without_reply(stage, what)
    assert (type(outcome), outcome.reason) == (expected, reason)


@pytest.mark.parametrize(
    ("status", "description", "expected", "reason"),
    [
        (403, "Forbidden: bot was blocked by the user", RecipientGone, "telegram_blocked"),
        (403, "Forbidden: user is deactivated", RecipientGone, "telegram_deactivated"),
        (403, "Forbidden: bot was kicked from the group chat", RecipientGone, "telegram_kicked"),
        (403, "Forbidden: something new", Rejected, "telegram_403"),
        (400, "Bad Request: chat not found", RecipientGone, "telegram_chat_not_found"),
        (400, "Bad Request: message is too long", Rejected, "telegram_400"),
        (401, "Unauthorized", OperatorFault, "telegram_401"),
        (404, "Not Found", OperatorFault, "telegram_404"),
        (302, "", OperatorFault, "telegram_302"),
        (403, "Forbidden: the group chat was deleted", RecipientGone, "telegram_chat_deleted"),
        (500, "Internal Server Error", TryAgain, "telegram_500"),
        (502, "", TryAgain, "telegram_502"),
    ],
)
def test_telegram(status: int, description: str, expected: type[NotHandedOver], reason: str) -> None:
    outcome = replies.outcome(status, description, Parameters())
    assert (type(outcome), outcome.reason) == (expected, reason)


@pytest.mark.parametrize(
    ("what", "expected"),
    [(NoAnswer.NOT_CONNECTED, TryAgain), (NoAnswer.LOST, InDoubt), (NoAnswer.UNREADABLE, InDoubt)],
)
def test_telegram_without_an_answer(what: NoAnswer, expected: type[NotHandedOver | InDoubt]) -> None:
    assert type(replies.without_answer(what, "x")) is expected


@pytest.mark.parametrize(
    ("status", "expected", "reason"),
    [
        (400, OperatorFault, "telegram_not_telegram"),
        (401, OperatorFault, "telegram_not_telegram"),
        (403, OperatorFault, "telegram_not_telegram"),
        (404, OperatorFault, "telegram_404"),
        (407, OperatorFault, "telegram_not_telegram"),
        (413, OperatorFault, "telegram_not_telegram"),
        (429, TryAgain, "telegram_not_telegram"),
        (451, OperatorFault, "telegram_not_telegram"),
        (302, OperatorFault, "telegram_302"),
        (502, TryAgain, "telegram_502"),
    ],
)
def test_a_page_of_a_proxy_says_nothing_about_a_chat(status: int, expected: type[NotHandedOver], reason: str) -> None:
    outcome = replies.outcome_of_page(status)
    assert (type(outcome), outcome.reason) == (expected, reason)


@pytest.mark.parametrize(
    ("retry_after", "after"),
    [
        (7, timedelta(seconds=7)),
        (35_000, timedelta(seconds=35_000)),
        (30 * 86_400, timedelta(days=30)),
        (0, timedelta(0)),
        (None, None),
        (-1, None),
        (10**9, None),
        (10**400, None),
        (float("inf"), None),
        (float("nan"), None),
        (True, None),
        ("7", None),
        ([7], None),
    ],
)
def test_telegram_says_how_long_to_wait(retry_after: object, after: timedelta | None) -> None:
    parameters = Parameters.model_validate({"retry_after": retry_after})
    outcome = replies.outcome(429, "Too Many Requests", parameters)
    assert isinstance(outcome, TryAgain)
    assert outcome.after == after


@pytest.mark.parametrize("new_id", [0, 5, True, "-5", -5.5, -(2**52), -(10**400), None, [-5]])
def test_an_id_that_no_group_has_is_no_new_id(new_id: object) -> None:
    parameters = Parameters.model_validate({"migrate_to_chat_id": new_id, "retry_after": 7})
    assert parameters == Parameters(retry_after=7)
    assert type(replies.outcome(400, "Bad Request: group chat was upgraded", parameters)) is Rejected


def test_telegram_tells_the_new_id_of_a_group() -> None:
    outcome = replies.outcome(400, "Bad Request", Parameters(migrate_to_chat_id=-1001234567890123))
    assert isinstance(outcome, RecipientMoved)
    assert outcome.new_address == "-1001234567890123"
