"""What the stable codes of the record mean: each has words, and a code that nobody knows gets none of its own."""

from __future__ import annotations

import re

import pytest

from channels.base import Plan
from channels.email.plan import EMAIL
from channels.email.smtp_replies import NoReply, Stage
from channels.telegram.plan import TELEGRAM
from channels.telegram.replies import TABLE
from contracts import in_words
from contracts.sending import DeliveryStatus, NotificationStatus, Reason

UNKNOWN = "The provider did not take it."


def is_a_sentence(text: str) -> bool:
    return re.fullmatch(r"[A-Z].+\.", text) is not None and text != UNKNOWN


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words(reason: Reason) -> None:
    assert is_a_sentence(EMAIL.in_words(reason))


def test_every_status_has_words() -> None:
    assert all(is_a_sentence(in_words.of_delivery(each)) for each in DeliveryStatus)
    assert all(is_a_sentence(in_words.of_notification(each)) for each in NotificationStatus)


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("answer", [*NoReply, "421", "450", "550"])
def test_every_answer_of_a_mail_server_has_words(stage: Stage, answer: str) -> None:
    certificate = answer == NoReply.CERTIFICATE_REFUSED
    assert is_a_sentence(EMAIL.in_words(f"smtp_{answer}" if certificate else f"smtp_{stage}_{answer}"))


@pytest.mark.parametrize("reason", sorted({row.reason for row in TABLE if row.reason} | {"chat_migrated"}))
def test_every_answer_of_telegram_has_words(reason: str) -> None:
    assert is_a_sentence(TELEGRAM.in_words(reason))


@pytest.mark.parametrize(
    ("plan", "code", "words"),
    [
        (EMAIL, "smtp_rcpt_450", "The mail server answered 450 about the recipient, often greylisting."),
        (EMAIL, "smtp_connect_failed", "The mail server cannot be reached."),
        (EMAIL, "smtp_starttls_not_offered", "The mail server does not offer what we need to STARTTLS."),
        (TELEGRAM, "telegram_429", "Telegram asked to wait."),
        (TELEGRAM, "telegram_502", "Telegram answered 502."),
        (TELEGRAM, "telegram_connect_timeout", "There was no answer from Telegram (connect timeout)."),
        (EMAIL, "smtp_", UNKNOWN),
        (EMAIL, "smtp_rcpt_4500", UNKNOWN),
        (EMAIL, "smtp_rcpt_\u0664\u0665\u0660", UNKNOWN),
        (TELEGRAM, "gateway_busy", UNKNOWN),
        (EMAIL, "", UNKNOWN),
    ],
)
def test_a_code_in_words(plan: Plan, code: str, words: str) -> None:
    assert plan.in_words(code) == words
