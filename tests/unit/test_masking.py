"""No local part of an address is left in a text, however RFC 5322, RFC 6531 or an encoding spells it."""

from __future__ import annotations

import itertools
import json
import logging

import pytest
import structlog

from channels.configured import scrub
from runtime.logs import LONGEST_VALUE, configure_logging

SECRET = "annaschmidt"  # noqa: S105 - a local part, or a piece of one

LOCAL_PARTS = (
    "annaschmidt",
    "marketing/annaschmidt",
    "o'annaschmidt",
    "x#!$%&'*+-/=?^_`{|}~annaschmidt",
    "ю.annaschmidt",
    '"annaschmidt"',
    '"annaschmidt maria"',
    '"annaschmidt\\"maria"',
    '"annaschmidt@home"',
    '"annaschmidt maria".x',
    'annaschmidt."x y"',
    "annaschmidt(a comment)",
    "annaschmidt . x",
    "annaschmidt ",
)
SIGNS = ("@", "%40", "%2540", "&#64;", "&#x40;", "&commat;", "\N{FULLWIDTH COMMERCIAL AT}", "\\u0040")
DOMAINS = ("localhost", "customer.example", "[192.0.2.1]", "bücher.example")
TEXTS = ("{}", "550 5.1.1 <{}>: unknown", "RCPT TO:<{}> failed", "to={}, size=3", "mailto:{}")


@pytest.mark.parametrize("local_part", LOCAL_PARTS)
@pytest.mark.parametrize("sign", SIGNS)
def test_a_local_part_is_masked(local_part: str, sign: str) -> None:
    for domain, text in itertools.product(DOMAINS, TEXTS):
        masked = scrub(text.format(f"{local_part}{sign}{domain}"))
        assert SECRET not in masked
        assert masked.count(domain) == 1
        assert scrub(masked) == masked


@pytest.mark.parametrize(
    "word", ["=?utf-8?q?annaschmidt=40customer.example?=", "=?us-ascii?Q?annaschmidt", "=?utf-8?B?YW5uYXNjaG1pZHQ=?="]
)
def test_an_encoded_word_is_masked_whole(word: str) -> None:
    assert scrub(f"To: {word} is unknown") == "To: =?***?= is unknown"


def test_each_line_is_masked_by_itself() -> None:
    assert scrub('line "one"\n"annaschmidt"@x\nline three') == 'line "one"\n***@x\nline three'


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_value_of_an_event_reveals_an_address(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    handlers, level = logging.root.handlers[:], logging.root.level
    configure_logging(log_format, "info", scrub)
    try:
        address = '"annaschmidt maria"@customer.example'
        structlog.get_logger("ours").info("event", text=address, some=[{"a": ValueError(address)}], key={address: 1})
        try:
            int(address)
        except ValueError:
            logging.getLogger("theirs").exception("no such user: %s", address)
        structlog.get_logger("ours").info("event", long="1" * LONGEST_VALUE + address + "1" * 60_000)
    finally:
        logging.root.handlers[:], logging.root.level = handlers, level
        structlog.reset_defaults()
    written = capsys.readouterr().err
    assert SECRET not in written
    assert max(map(len, written.splitlines())) < 2 * LONGEST_VALUE
    if log_format == "json":
        assert [json.loads(line)["level"] for line in written.splitlines()] == ["info", "error", "info"]
