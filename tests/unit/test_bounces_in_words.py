"""Reading bounces that are no report of RFC 3464, nested reports and complaints."""

from __future__ import annotations

import base64

import pytest

from channels.email.bounce_reports import Unreadable, read_bounce
from db.record.bounced import Bounce, Complaint
from tests.support.bounces_in_words import COPY, WORDS, complaint, nested, opensmtpd
from tests.support.bouncing import MESSAGE_ID, bounced

ANNA = "anna@customer.example"

every_server = pytest.mark.parametrize("server", WORDS)


def read(message: bytes | str) -> Bounce:
    bounce = read_bounce(message.encode() if isinstance(message, str) else message)
    assert isinstance(bounce, Bounce)
    return bounce


@every_server
def test_which_mail_did_not_arrive_and_why_is_found_in_words(server: str) -> None:
    bounce = read(WORDS[server]())
    assert (bounce.message_id, bounce.notification_id) == (MESSAGE_ID, 7)
    [failed] = bounce.failed
    assert failed.addresses == {ANNA}
    assert failed.reply.startswith("550 5.1.1")
    assert failed.gone


@every_server
@pytest.mark.parametrize(
    "said",
    [
        "554 5.7.1 Service unavailable; Client host [192.0.2.49] blocked using zen.spamhaus.org",
        "553 5.1.3 <anna@customer.example> blocked, see https://www.spamhaus.org/query",
        "550 5.2.1 The user is receiving mail at a rate that prevents additional messages",
        "550 5.1.1 notices@platform.example has sent to too many recipients this hour",
        "552 5.2.2 <anna@customer.example>... Mailbox Full",
        "450 4.2.2 <anna@customer.example>... Mailbox Full",
        "Domain does not exist",
        "550 no such user",
    ],
)
def test_what_does_not_say_that_the_mailbox_is_gone_switches_nobody_off(server: str, said: str) -> None:
    [failed] = read(WORDS[server](said)).failed
    assert failed.addresses == {ANNA}
    assert said.split(maxsplit=1)[0] in failed.reply
    assert not failed.gone


def test_each_recipient_has_the_answer_that_stands_by_it() -> None:
    said = f"552 5.2.2 Mailbox full\nboris@customer.example: 550 5.1.1 <{ANNA[1:]}> unknown"
    failed = {next(iter(each.addresses)): each for each in read(opensmtpd(said)).failed}
    assert (failed[ANNA].gone, failed["boris@customer.example"].gone) == (False, True)


@pytest.mark.parametrize("container", ["multipart/mixed", "multipart/report; report-type=delivery-status"])
def test_a_report_within_another_message_is_found(container: str) -> None:
    bounce = read(nested(bounced(), container))
    assert (bounce.message_id, bounce.failed[0].gone) == (MESSAGE_ID, True)


def test_a_status_without_a_report_around_it_is_one() -> None:
    message = bounced().replace(b"multipart/report; report-type=delivery-status", b"multipart/mixed")
    assert read(message).failed[0].gone


@pytest.mark.parametrize("action", ["expired", "failure", "Expired (after 5 days)", "bounced"])
def test_other_words_for_a_failure_are_understood(action: str) -> None:
    assert read(bounced(changed={"action": action})).failed


@pytest.mark.parametrize("encoding", ["7bit", "base64"])
def test_the_report_of_rfc_6533_is_read_in_any_encoding(encoding: str) -> None:
    fields = (
        "Reporting-MTA: dns; mail.platform.example\n\nFinal-Recipient: utf-8; Анна@customer.example\n"
        "Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no such user\n"
    )
    body = fields if encoding == "7bit" else base64.encodebytes(fields.encode()).decode()
    message = f"""Return-Path: <>
Content-Type: multipart/report; report-type=global-delivery-status; boundary=x

--x
Content-Type: message/global-delivery-status
Content-Transfer-Encoding: {encoding}

{body}
--x
Content-Type: message/global-headers

{COPY.partition("Tower ends.")[0]}
--x--
"""
    bounce = read(message)
    assert bounce.failed[0].addresses == {"анна@customer.example"}
    assert (bounce.failed[0].gone, bounce.message_id) == (True, MESSAGE_ID)


@pytest.mark.parametrize(
    "message",
    [
        f"Subject: something\n\nI am an odd server, and this came back:\n\n{COPY}",
        f"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n{base64.encodebytes(COPY.encode()).decode()}",
        "Return-Path: <>\nSubject: odd\n\nSomething is odd",
        "From: MAILER-DAEMON@odd.example\nSubject: odd\n\nSomething is odd",
        "Return-Path: <>\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/a; charset=no\n\n\0",
        "X-Failed-Recipients: \0\n\n\0",
        "Return-Path: <>\n\n",
    ],
    ids=["ours", "ours in base64", "null sender", "daemon", "unknown charset", "NUL", "empty"],
)
def test_what_may_be_a_bounce_and_is_not_understood_is_left_to_a_person(message: str) -> None:
    with pytest.raises(Unreadable):
        read_bounce(message.encode())


@pytest.mark.parametrize(
    "message",
    [
        f"From: anna@customer.example\nAuto-Submitted: auto-replied\nIn-Reply-To: {MESSAGE_ID}\n\nBack on Monday",
        "From: shop@spam.example\nSubject: Cheap\n\nBuy",
        f"Return-Path: <>\nSubject: Warning\n\nYour message to {ANNA} has been delayed. It will be retried.",
    ],
    ids=["holiday", "spam", "delay"],
)
def test_what_is_no_bounce_is_none(message: str) -> None:
    assert read_bounce(message.encode()) is None


def test_a_complaint_names_the_mail_and_its_envelope_sender() -> None:
    read = read_bounce(complaint(envelope_sender="bounce+7-abc@platform.example"))
    assert isinstance(read, Complaint)
    assert (read.message_id, read.reply) == (MESSAGE_ID, "complaint: abuse")
    assert "<bounce+7-abc@platform.example>" in read.sent_to


def test_who_says_that_it_is_no_spam_does_not_complain() -> None:
    assert read_bounce(complaint("not-spam")) is None
