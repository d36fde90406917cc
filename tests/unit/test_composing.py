"""A mail's headers say the same after the way over the wire, in any language and at any length."""

from __future__ import annotations

import email
from email.header import decode_header, make_header
from email.policy import SMTP, default
from email.utils import parseaddr

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from channels.email.composing import compose
from channels.email.texts import Mail
from settings import Settings

WORDS = st.text(st.sampled_from("abc äöüß«» АБВ Срок 日本語 😀 .,:;()<>@?=_\"'"), min_size=1, max_size=150)
ONE_LINE = WORDS.map(lambda text: " ".join(text.split())).filter(bool)
RUSSIAN = "Срок проекта «Спутник в дополненной реальности» заканчивается через 5 дней"


def sent(subject: str, sender_name: str = "Notices") -> bytes:
    settings = Settings(
        smtp_from_email="notices@platform.example", smtp_from_name=sender_name, support_email="s@platform.example"
    )
    return compose(settings, 7, "key", "a@b.example", Mail(subject, "text", None)).as_bytes(policy=SMTP)


@given(ONE_LINE)
@example(RUSSIAN)
def test_a_subject_is_read_as_it_was_written(subject: str) -> None:
    raw = sent(subject)
    assert email.message_from_bytes(raw, policy=default)["Subject"] == subject
    header = email.message_from_bytes(raw)["Subject"]
    assert " ".join(str(make_header(decode_header(header))).split()) == subject


@given(ONE_LINE)
@example(RUSSIAN)
@example('Plain, "quoted" Name')
def test_a_sender_is_read_as_it_was_written(name: str) -> None:
    raw = email.message_from_bytes(sent("subject", name))["From"]
    encoded, address = parseaddr(" ".join(raw.split()))
    assert (str(make_header(decode_header(encoded))), address) == (name, "notices@platform.example")


@pytest.mark.parametrize("subject", [RUSSIAN * 3, "Harbour " * 40])
def test_no_line_of_a_header_is_longer_than_mail_servers_take(subject: str) -> None:
    """RFC 5322 2.1.1, RFC 2047 2."""
    head = sent(subject, RUSSIAN).split(b"\r\n\r\n")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 78
