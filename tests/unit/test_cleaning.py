"""A provider's reply is made clean and cut before anything keeps it."""

from __future__ import annotations

import pytest

from channels.base import Receipt, Rejected, TryAgain
from channels.email import smtp_replies
from channels.email.smtp_replies import Stage
from runtime.cleaning import LONGEST_REPLY, clean_reply, harmless_id, without_text


@pytest.mark.parametrize(
    ("reply", "clean"),
    [
        ("250 2.0.0 Ok: queued as 4F1", "250 2.0.0 Ok: queued as 4F1"),
        ("550 5.1.1 <bo\udceeb@x.example>", "550 5.1.1 <bo\N{REPLACEMENT CHARACTER}b@x.example>"),
        ("250 accept\udce9", "250 accept\N{REPLACEMENT CHARACTER}"),
        ("400 a lone \ud83d", "400 a lone \N{REPLACEMENT CHARACTER}"),
        ("Forbidden\x00: \x1b[31mred\x7f\x85", "Forbidden : [31mred"),
        ("550-first\r\n550 second\u2028third", "550-first 550 second third"),
        ("abc\u202edcba\u200b\ufeff", "abcdcba"),
        ("Füße 日本 😀", "Füße 日本 😀"),
        ("", ""),
    ],
)
def test_what_cannot_be_stored_or_misleads_is_out(reply: str, clean: str) -> None:
    assert clean_reply(reply) == clean
    assert clean_reply(clean) == clean
    clean.encode("utf-8")


def test_a_long_reply_is_cut() -> None:
    cut = clean_reply("550 5.7.1 " + "x" * 3_000_000)
    assert len(cut) == LONGEST_REPLY
    assert cut.startswith("550 5.7.1 xxx")
    assert cut.endswith("x…")
    assert clean_reply("x" * LONGEST_REPLY) == "x" * LONGEST_REPLY


def test_every_outcome_is_clean_whichever_channel_makes_it() -> None:
    dirty = "gone\x00 " + "y" * 5000
    assert Rejected("sms_gone", dirty).reply == clean_reply(dirty)
    assert TryAgain("sms_later").reply is None
    receipt = Receipt("id\x00" + "7" * 5000, dirty)
    assert receipt.reply == clean_reply(dirty)
    assert receipt.provider_id is not None
    assert len(receipt.provider_id) == LONGEST_REPLY


def test_a_reply_is_clean_before_it_is_matched() -> None:
    outcome = smtp_replies.outcome(Stage.RCPT, 554, "5.7.1 \x00Relay\x00access denied \udcee")
    assert type(outcome).__name__ == "OperatorFault"


@pytest.mark.parametrize(
    ("reply", "codes"),
    [
        ("550 5.1.1 <anna@x.example> unknown", "550 5.1.1 "),
        ("250 2.0.0 Ok", "250 2.0.0 "),
        ("250 call +49 30 901820", "250 "),
        ("550 5.1.491727.5 anna", "550 "),
        ("4917212345678", ""),
        ("403 Forbidden", "403 "),
        ("anna@x.example", ""),
        ("", ""),
    ],
)
def test_of_a_reply_without_text_the_codes_stay(reply: str, codes: str) -> None:
    assert without_text(reply) == f"{codes}(text of the reply not kept)"


@pytest.mark.parametrize(
    ("provider_id", "kept"),
    [("4711", "4711"), ("SM-9f3e", "SM-9f3e"), ("anna@x.example", None), ("a" * 65, None), ("", None), (None, None)],
)
def test_an_id_is_kept_in_the_form_of_one(provider_id: str | None, kept: str | None) -> None:
    assert harmless_id(provider_id) == kept
