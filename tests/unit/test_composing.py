"""A mail's headers say the same after the way over the wire, in any language and at any length, and no text in them
becomes another header."""

from __future__ import annotations

import email
import re
import unicodedata
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from email.utils import parseaddr

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from channels.base import Rejected
from channels.email.addresses import Mailbox
from channels.email.bounce_addresses import BounceAddresses
from channels.email.composing import compose, require_composable
from channels.email.headers import mailbox_header
from channels.email.texts import Mail
from settings import Settings, SettingsError

WORDS = st.text(st.sampled_from("abc äöüß«» АБВ Срок 日本語 😀 .,:;()<>@?=_\"'\\"), min_size=1, max_size=150)
ONE_LINE = WORDS.map(lambda text: " ".join(text.split())).filter(bool)
PIECES = st.sampled_from(
    ["=?utf-8?q?", "=?us-ascii?b?", "?=", "=0D=0A", "=?", "\r\n", "\n", "\r", "\0", "\t", "\x1b", "\x85", "\u2028"]
)
HOSTILE = st.lists(st.one_of(PIECES, WORDS, st.text(max_size=20)), min_size=1, max_size=12).map("".join)
RUSSIAN = "Срок проекта «Спутник в дополненной реальности» заканчивается через 5 дней"
ADDS_A_HEADER = "=?utf-8?q?x=0D=0AReply-To:_a@evil.example=0D=0A=0D=0Abody?="
ADDS_AN_ADDRESS = "=?us-ascii?q?a=2Cb=40c.example?=@example.com"
HEADERS = [
    *("From", "To", "Subject", "Date", "Message-ID", "Reply-To", "Auto-Submitted", "X-Notification-Id"),
    *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
]
ENCODED_WORD = re.compile(rb"=\?utf-8\?[bq]\?[^?]*\?=")


def sent(
    subject: str, sender_name: str = "Notices", recipient: str = "a@b.example", text: str = "text", **more: object
) -> bytes:
    settings = Settings.model_validate(
        {
            "smtp_from_email": "notices@platform.example",
            "smtp_from_name": sender_name,
            "support_email": "s@platform.example",
        }
        | more
    )
    return compose(settings, 7, "key", recipient, Mail(subject, text, None)).as_bytes()


def received(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def unfolded(header: str) -> str:
    return re.sub(r"\r?\n(?=[ \t])", "", header)


def decoded(header: str) -> str:
    """As RFC 2047 says: the space between two encoded words is none."""
    return "".join(
        part if isinstance(part, str) else part.decode(charset or "ascii")
        for part, charset in decode_header(unfolded(header))
    )


def without_controls(text: str) -> str:
    """What is left of a text: a space for each run of control characters, `?` for what is no character."""
    spaced = "".join("\n" if unicodedata.category(each) in {"Cc", "Zl", "Zp"} else each for each in text)
    return re.sub("\n+", " ", spaced).encode("utf-8", "replace").decode()


def has_only_our_headers(raw: bytes) -> None:
    message = received(raw)
    assert message.keys() == HEADERS
    assert message.get_content().strip() == "text"


def lines_are_short(raw: bytes) -> None:
    head = raw.partition(b"\r\n\r\n")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 76
    assert all(len(word) <= 75 for word in ENCODED_WORD.findall(head))


@given(ONE_LINE)
@example(RUSSIAN)
@example(ADDS_A_HEADER)
def test_a_subject_is_read_as_it_was_written(subject: str) -> None:
    raw = sent(subject)
    assert received(raw)["Subject"] == subject
    header = email.message_from_bytes(raw)["Subject"]
    assert " ".join(str(make_header(decode_header(header))).split()) == subject


@given(ONE_LINE)
@example(RUSSIAN)
@example('Plain, "quoted" Name')
@example(ADDS_A_HEADER)
def test_a_sender_is_read_as_it_was_written(name: str) -> None:
    raw = email.message_from_bytes(sent("subject", name))["From"]
    encoded, address = parseaddr(" ".join(raw.split()))
    assert (str(make_header(decode_header(encoded))), address) == (name, "notices@platform.example")


@given(HOSTILE)
@example(ADDS_A_HEADER)
@example("x\r\nReply-To: a@evil.example\r\n\r\nbody")
@example(" spaces  around ")
@example("=" * 400)
def test_whatever_a_subject_holds_it_is_the_subject_and_nothing_else(subject: str) -> None:
    raw = sent(subject)
    assert received(raw)["Subject"] == without_controls(subject)
    assert decoded(str(email.message_from_bytes(raw)["Subject"])) == without_controls(subject)
    has_only_our_headers(raw)
    lines_are_short(raw)


@given(HOSTILE)
@example(ADDS_A_HEADER)
@example("x\r\nReply-To: a@evil.example\r\n\r\nbody")
@example('A" <a@evil.example>, "')
def test_whatever_a_name_holds_it_is_the_name_and_nothing_else(name: str) -> None:
    raw = sent("subject", name or "-")
    [address] = received(raw)["From"].addresses
    assert address.addr_spec == "notices@platform.example"
    has_only_our_headers(raw)
    lines_are_short(raw)


@given(HOSTILE.map(lambda name: " ".join(without_controls(name).split())[:4]).filter(bool))
def test_a_short_name_is_read_as_it_was_written(name: str) -> None:
    """Before 3.13 Python's parser keeps the space between two encoded words of a name, so this is about one."""
    [address] = received(sent("subject", name))["From"].addresses
    assert address.display_name == name


@pytest.mark.parametrize("subject", [RUSSIAN * 3, "Harbour " * 40, "x" * 500, ("x" * 70 + " ") * 3])
def test_no_line_of_a_header_is_longer_than_mail_servers_take(subject: str) -> None:
    """RFC 5322 2.1.1, RFC 2047 2."""
    lines_are_short(sent(subject, RUSSIAN))


@given(st.from_regex(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\.[a-z0-9=?_-]{1,20}){0,2}", fullmatch=True))
@example(ADDS_AN_ADDRESS.rpartition("@")[0])
@example("=?utf-8?q?x=0D=0AReply-To:?=".replace(":", "=3A"))
def test_an_address_is_one_address_whatever_it_looks_like(local: str) -> None:
    raw = sent("subject", recipient=f"{local}@customer.example", support_email=f"{local}@platform.example")
    for name, domain in (("To", "customer.example"), ("Reply-To", "platform.example")):
        [address] = received(raw)[name].addresses
        assert (address.username, address.domain) == (local, domain)
    has_only_our_headers(raw)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40).filter(str.strip))
@example('a"b\\c@d, e')
@example("=?us-ascii?q?a=2Cb=40c.example?=")
def test_a_quoted_local_part_is_one_address(local: str) -> None:
    header = mailbox_header("To", Mailbox(local, "customer.example"))
    [address] = received(header.encode() + b"\r\n")["To"].addresses
    assert (address.username, address.domain) == (local, "customer.example")


def test_an_international_domain_is_written_in_ascii() -> None:
    raw = sent(
        "subject",
        recipient="anna@kölner-büro.example",
        smtp_from_email="info@münchen.example",
        support_email="hilfe@xn--mnchen-3ya.example",
    )
    message = received(raw)
    assert raw.isascii()
    assert message["From"].addresses[0].addr_spec == "info@xn--mnchen-3ya.example"
    assert message["To"].addresses[0].addr_spec == "anna@xn--klner-bro-07a6e.example"
    assert message["Reply-To"].addresses[0].addr_spec == "hilfe@xn--mnchen-3ya.example"
    assert message["Message-ID"] == "<key@xn--mnchen-3ya.example>"


def test_only_letters_before_the_at_sign_need_smtputf8() -> None:
    settings = Settings(
        smtp_from_email="info@münchen.example", smtp_from_name="N", support_email="hilfe@münchen.example"
    )
    for recipient, needs in (("anna@münchen.example", False), ("jösé@münchen.example", True)):
        mail = compose(settings, 7, "key", recipient, Mail("Grüße", "text", None))
        assert mail.needs_smtputf8 is needs
        assert mail.headers.isascii() is not needs
    assert "To: jösé@xn--mnchen-3ya.example\r\n" in mail.headers


def test_a_bounce_address_with_an_international_domain_is_read_as_it_was_sent() -> None:
    addresses = BounceAddresses("bounce@münchen.example", "k" * 32)
    tagged = addresses.tagged(7, "anna@customer.example")
    assert tagged.endswith("@xn--mnchen-3ya.example")
    [tag] = addresses.tags([f"Delivered-To: {tagged}"])
    assert addresses.is_for(tag, "anna@customer.example")


@pytest.mark.parametrize("name", ["smtp_from_email", "support_email"])
def test_an_address_of_ours_that_few_servers_take_is_refused_by_its_name(name: str) -> None:
    values = {"smtp_from_email": "a@b.example", "smtp_from_name": "N", "support_email": "c@d.example"}
    settings = Settings.model_validate(values | {name: "jösé@platform.example"})
    with pytest.raises(SettingsError, match=f"^{name.upper()}: has letters beyond ASCII"):
        require_composable(settings)


@pytest.mark.parametrize("name", ["A\r\nBcc: b@evil.example", "A\x1b", "\t"])
def test_a_name_with_control_characters_is_refused(name: str) -> None:
    settings = Settings(smtp_from_email="a@b.example", smtp_from_name=name, support_email="c@d.example")
    with pytest.raises(SettingsError, match=r"^SMTP_FROM_NAME: must be one line"):
        require_composable(settings)


def test_what_is_no_address_is_rejected() -> None:
    with pytest.raises(Rejected, match="invalid_address"):
        sent("subject", recipient="a@b.example, c@evil.example")


TEXTS = st.one_of(
    WORDS, st.text(max_size=200), st.integers(1, 3000).map("ж".__mul__), st.integers(1, 3000).map("x.".__mul__)
)


@given(st.lists(TEXTS, max_size=5).map("\n".join), TEXTS, st.booleans())
@example(".\n..\nFrom here\n", "<p>\r\n\r</p>", True)
@example("", "", False)
def test_a_body_is_read_as_it_was_written(text: str, html: str, eight_bit: bool) -> None:
    settings = Settings(smtp_from_email="a@b.example", smtp_from_name="N", support_email="c@d.example")
    raw = compose(settings, 7, "key", "a@b.example", Mail("subject", text, html)).as_bytes(eight_bit=eight_bit)
    message = received(raw)
    parts = list(message.iter_parts()) if html else [message]
    for part, written in zip(parts, (text, html), strict=False):
        content = part.get_content().replace("\r\n", "\n")
        assert content == re.sub("\r\n?", "\n", written).removesuffix("\n").encode("utf-8", "replace").decode() + "\n"
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"][: len(parts)]
    assert eight_bit or raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", raw)
