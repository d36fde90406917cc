"""Reading reports of mails that did not arrive: as servers write them, and as nobody should."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from channels.email.bounce_reports import READ_BYTES, Unreadable, read_bounce
from db.record.bounced import Bounce
from tests.support.bouncing import MESSAGE_ID, bounced

MONDAY = datetime(2026, 6, 1, 9, 0, 5, tzinfo=UTC)
ANNA = "anna@customer.example"


def read(message: bytes) -> Bounce:
    bounce = read_bounce(message)
    assert isinstance(bounce, Bounce)
    return bounce


def silent(report: bytes) -> bytes:
    """Takes the words for people away."""
    return (
        report.replace(b"mail system at host", b"").replace(b"delivered", b"").replace(b"<anna@customer.example>", b"")
    )


@pytest.mark.parametrize(
    ("sample", "reply", "gone"),
    [
        ("postfix", f"5.1.1 smtp; 550 5.1.1 <{ANNA}>: Recipient address rejected: User unknown in", True),
        ("exchange", "5.1.10 smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound;", True),
        ("exim", f"5.0.0 smtp; 552 5.2.2 <{ANNA}> Quota exceeded", False),
    ],
)
def test_a_servers_report_tells_which_mail_did_not_arrive_and_why(sample: str, reply: str, gone: bool) -> None:
    bounce = read(bounced(sample, written_at=MONDAY))
    assert (bounce.message_id, bounce.notification_id, bounce.written_at) == (MESSAGE_ID, 7, MONDAY)
    [failed] = bounce.failed
    assert failed.addresses == {ANNA}
    assert failed.reply.startswith(reply)
    assert failed.gone is gone


@pytest.mark.parametrize(
    ("status", "diagnostic", "gone"),
    [
        ("5.1.1", "X-Postfix; unknown user", True),
        ("5.0.0", "smtp; 550-5.1.1 The account does not exist. 550-5.1.1 Try again", True),
        ("5.2.1", "smtp; 550 5.2.1 mailbox disabled", True),
        ("5.1.1", "", True),
        ("5.1.1", "smtp; 550 5.2.2 mailbox full", False),
        ("5.1.1", "smtp; 550 Sender address rejected", False),
        ("5.0.0", "smtp; 550 no such user", False),
        ("5.4.7", "smtp; 550 delivery expired", False),
        ("4.4.1", "X-Postfix; connection timed out", False),
        ("4.1.1", "smtp; 450 4.1.1 not now", False),
        ("nonsense", "nonsense", False),
    ],
)
def test_only_what_the_table_says_is_gone_switches_an_address_off(status: str, diagnostic: str, gone: bool) -> None:
    [failed] = read(bounced("exim", changed={"status": status, "diagnostic-code": diagnostic})).failed
    assert failed.gone is gone


def test_what_the_other_letters_of_rfc_6533_say_is_understood() -> None:
    text = bounced("postfix").decode().replace("message/delivery-status", "message/global-delivery-status")
    text = text.replace("message/rfc822", "message/global").replace(f"rfc822; {ANNA}", "utf-8; Анна@customer.example")
    bounce = read(text.encode())
    assert bounce.failed[0].addresses == {"анна@customer.example", ANNA}
    assert (bounce.failed[0].gone, bounce.message_id) == (True, MESSAGE_ID)


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded", "DELAYED (for 4 hours)"])
def test_a_report_of_no_failure_is_none(action: str) -> None:
    assert read_bounce(bounced(changed={"action": action})) is None


@pytest.mark.parametrize("action", ["failed", "Failed", "FAILED (unknown user)"])
def test_a_failure_is_one_in_any_spelling(action: str) -> None:
    assert read(bounced(changed={"action": action})).failed


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0",
        b"Subject: I am on holiday\r\nAuto-Submitted: auto-replied\r\n\r\nBack on Monday\r\n",
        bounced().replace(b"report-type=delivery-status", b"report-type=disposition-notification"),
    ],
    ids=["empty", "NUL", "holiday", "read receipt"],
)
def test_what_is_no_report_of_a_delivery_is_none(message: bytes) -> None:
    assert read_bounce(message) is None


def test_a_report_without_its_kind_is_taken_for_one_of_a_delivery() -> None:
    assert read(bounced().replace(b" report-type=delivery-status;", b"")).failed


@pytest.mark.parametrize(
    "message",
    [
        b"Content-Type: multipart/report; report-type=delivery-status\r\n\r\nno parts",
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n--x\r\n\r\ntext\r\n--x--",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\n--x--",
        silent(bounced(changed={"action": ""})),
        silent(bounced(changed={"action": "pondered", "status": ""})),
        bounced().replace(b"report-type=delivery-status", b"report-type=feedback-report"),
        (
            b"Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\nContent-Type: message/delivery-status\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\nQWN0aW9uOiBmYWlsZWQNCg==\r\n--x--\r\n"
        ),
        bounced().replace(b"This is a MIME", b"boundary" * 40),
        b"Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\n" + b"Content-Type: message/rfc822\r\n\r\n" * 2000,
    ],
    ids=[
        "no parts",
        "no status",
        "mixed",
        "no action",
        "another action",
        "no complaint",
        "base64",
        "boundaries",
        "nested",
    ],
)
def test_a_report_that_cannot_be_read_says_so_and_names_nobody(message: bytes) -> None:
    with pytest.raises(Unreadable) as unreadable:
        read_bounce(message)
    assert "the report" in str(unreadable.value)
    assert "@" not in str(unreadable.value)


def test_without_the_returned_headers_the_failure_is_known_and_the_mail_is_not() -> None:
    text = bounced().decode()
    bounce = read(text[: text.index("Content-Description: Undelivered")].encode())
    assert (bounce.message_id, bounce.notification_id, bounce.written_at) == (None, None, None)
    assert bounce.failed[0].addresses == {ANNA}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("message-id", "no id"),
        ("message-id", "<a b@c>"),
        ("x-notification-id", "7; DROP TABLE"),
        ("x-notification-id", "9" * 40),
        ("date", "the day before yesterday"),
        ("date", "Mon, 99 Foo 99999 99:99:99 +9999"),
    ],
)
def test_a_header_that_makes_no_sense_is_none(field: str, value: str) -> None:
    bounce = read(bounced("exim", changed={field: value}))
    of_header = {
        "message-id": bounce.message_id,
        "x-notification-id": bounce.notification_id,
        "date": bounce.written_at,
    }
    assert of_header[field] is None


def test_what_comes_back_is_one_printable_line() -> None:
    reply = "smtp; 550 5.1.1 \x1b[31mred\0 =?utf-8?q?a=0D=0ABcc:_x?= " + "x" * 5000
    [failed] = read(bounced("exim", changed={"diagnostic-code": reply})).failed
    assert failed.reply.isprintable()
    assert len(failed.reply) <= 1000


def test_a_long_mail_is_read_as_far_as_its_headers() -> None:
    head, _, tail = bounced().partition(b"Tower ends.\r\n")
    assert read(head + b"Tower ends.\r\n" * READ_BYTES + tail).message_id == MESSAGE_ID


IN_A_REPORT = b"Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\n"
FAILED = IN_A_REPORT + b"Content-Type: message/delivery-status\r\n\r\nAction: failed\r\n"


@pytest.mark.parametrize(
    "message",
    [
        b"Content-Type: multipart/report" + b";" * READ_BYTES,
        b"Content-Type: multipart/report" + b"; a=b" * (READ_BYTES // 5),
        b"Content-Type: text/plain " + b"(" * READ_BYTES,
        FAILED + b"Diagnostic-Code: smtp; " + b"=?utf-8?q?a?=\r\n " * (READ_BYTES // 16),
        FAILED + b"--x\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <a@[" + b"\\[" * READ_BYTES,
        IN_A_REPORT * (READ_BYTES // 60),
    ],
    ids=["semicolons", "parameters", "comments", "words", "literals", "parts"],
)
def test_what_was_crafted_to_keep_the_parser_busy_does_not(message: bytes) -> None:
    """Some of these took it minutes."""
    _read_or_refused(message)


PIECES = [
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n",
    b"Content-Type: message/delivery-status\r\n",
    b"Content-Type: message/global-delivery-status\r\n",
    b"Content-Type: message/rfc822\r\n",
    b"Content-Type: text/rfc822-headers; charset=no-such\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"Action: failed\r\n",
    b"Final-Recipient: rfc822; a@b\r\n",
    b"Diagnostic-Code: smtp; 5\xff0 =?utf-8?b?//8=?= =?x?q?\r\n",
    b"Message-ID: <\r\n",
    b"Message-ID: <a@[b\r\n",
    b"Date: Mon, 1 Jun 99999999 09:00:00 +2400\r\n",
    b"X-Notification-Id: \xb2\r\n",
    b"--x\r\n",
    b"--x--\r\n",
    b"\r\n",
    b"\n",
    b"\0",
    b" \xe2\x80\xa8\t",
]


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=20)), max_size=40))
@example([PIECES[0], b"\r\n", b"--x\r\n", PIECES[1], b"\r\n", b"\r\n", b"Action: failed\r\n"])
def test_no_mix_of_pieces_does_anything_but_be_read_or_refused(pieces: list[bytes]) -> None:
    _read_or_refused(b"".join(pieces))
    _read_or_refused(PIECES[0] + b"\r\n--x\r\n" + b"".join(pieces))


@given(
    st.sampled_from([bounced(name, written_at=MONDAY) for name in ("postfix", "exchange", "exim")]),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 40), st.binary(max_size=12)), max_size=6),
)
def test_no_damage_to_a_servers_report_does_either(report: bytes, damages: list[tuple[int, int, bytes]]) -> None:
    for place, length, instead in damages:
        report = report[:place] + instead + report[place + length :]
    _read_or_refused(report)


def _read_or_refused(message: bytes) -> None:
    try:
        bounce = read_bounce(message)
    except Unreadable:
        return
    if isinstance(bounce, Bounce):
        assert bounce.failed
        for failure in bounce.failed:
            assert "\0" not in failure.reply
            assert all(address.isprintable() for address in failure.addresses)
        assert bounce.message_id is None or re.fullmatch(r"<[^<>\s\0]+>", bounce.message_id)
