"""Nobody's address and no bot's token leaves in a log line."""

from __future__ import annotations

import pytest

from channels.configured import scrub
from channels.registry import find_channel


@pytest.mark.parametrize(
    ("name", "recipient", "masked"),
    [("email", "anna@customer.example", "a***@customer.example"), ("telegram", "-1001234567890", "***890")],
)
def test_a_recipient_is_masked(name: str, recipient: str, masked: str) -> None:
    channel = find_channel(name)
    assert channel is not None
    assert channel.mask(recipient) == masked


def test_addresses_are_masked_wherever_they_come_from() -> None:
    line = '{"error": "550 5.1.1 <anna.b+x@customer.example>: unknown", "to": "o@x.co.uk"}'
    assert scrub(line) == '{"error": "550 5.1.1 <a***@customer.example>: unknown", "to": "o***@x.co.uk"}'


def test_a_token_in_a_url_is_masked() -> None:
    line = "POST https://api.telegram.org/bot1234567890:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc/sendMessage"
    assert scrub(line) == "POST https://api.telegram.org/bot:***/sendMessage"


def test_times_and_keys_stay_readable() -> None:
    line = '{"timestamp": "2026-11-22T22:29:24.863924Z", "workflow_id": "expiring.project-42.20261201T000000Z.7d"}'
    assert scrub(line) == line


def test_a_link_to_unsubscribe_is_masked() -> None:
    line = '"GET /unsubscribe/WzEsImdnZ09vYVhzMzlZeCJd.Z5XNvoQL15mN_KFOIfDbxPcRf HTTP/1.1" 200'
    assert scrub(line) == '"GET /unsubscribe/*** HTTP/1.1" 200'
