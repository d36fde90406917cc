"""What each provider's answer means."""

from __future__ import annotations

from datetime import timedelta

import pytest

from channels import smtp_replies, telegram
from channels.results import NotHandedOver, OperatorFault, RecipientMoved, Rejected, TryAgain
from channels.smtp_replies import Stage


@pytest.mark.parametrize(
    ("stage", "code", "message", "expected"),
    [
        (Stage.RCPT, 450, "4.2.0 greylisted", TryAgain),
        (Stage.RCPT, 550, "5.1.1 no such user", Rejected),
        (Stage.RCPT, 550, "4.7.1 wait", TryAgain),
        (Stage.RCPT, 421, "4.3.2 closing", TryAgain),
        (Stage.DATA, 552, "5.3.4 too big", Rejected),
        (Stage.DATA, 451, "4.3.0 later", TryAgain),
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
    verdict = smtp_replies.verdict(stage, code, message)
    assert type(verdict) is expected
    assert verdict.reason == f"smtp_{stage}_{code}"
    assert verdict.reply == f"{code} {message}"


@pytest.mark.parametrize(
    ("status", "description", "expected", "reason"),
    [
        (403, "Forbidden: bot was blocked by the user", Rejected, "telegram_blocked"),
        (403, "Forbidden: user is deactivated", Rejected, "telegram_deactivated"),
        (403, "Forbidden: bot was kicked from the group chat", Rejected, "telegram_kicked"),
        (403, "Forbidden: something new", Rejected, "telegram_403"),
        (400, "Bad Request: chat not found", Rejected, "telegram_chat_not_found"),
        (400, "Bad Request: message is too long", Rejected, "telegram_400"),
        (401, "Unauthorized", OperatorFault, "telegram_401"),
        (404, "Not Found", OperatorFault, "telegram_404"),
        (500, "Internal Server Error", TryAgain, "telegram_500"),
        (502, "", TryAgain, "telegram_502"),
    ],
)
def test_telegram(status: int, description: str, expected: type[NotHandedOver], reason: str) -> None:
    verdict = telegram.verdict(status, description, telegram.Parameters())
    assert (type(verdict), verdict.reason) == (expected, reason)


@pytest.mark.parametrize(
    ("retry_after", "after"),
    [(7, timedelta(seconds=7)), (None, None), (-1, None), (10**9, None), (0, timedelta(0))],
)
def test_telegram_says_how_long_to_wait(retry_after: float | None, after: timedelta | None) -> None:
    verdict = telegram.verdict(429, "Too Many Requests", telegram.Parameters(retry_after=retry_after))
    assert isinstance(verdict, TryAgain)
    assert verdict.after == after


def test_telegram_tells_the_new_id_of_a_group() -> None:
    verdict = telegram.verdict(400, "Bad Request", telegram.Parameters(migrate_to_chat_id=-1001234567890123))
    assert isinstance(verdict, RecipientMoved)
    assert verdict.new_chat_id == -1001234567890123
