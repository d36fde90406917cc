"""Whose fault a permanent refusal is: what mail servers really say."""

from __future__ import annotations

import pytest

from channels.base import OperatorFault, RecipientGone, Rejected, TryAgain
from channels.email.refusals import TABLE, Fault
from channels.email.smtp_replies import Stage, outcome

OURS = [
    (504, "5.5.2 <worker-1>: Helo command rejected: need fully-qualified hostname"),
    (550, "5.7.1 Helo command rejected: Host not found"),
    (550, "5.7.1 Client does not have permissions; us@a.example not allowed to send as them@a.example"),
    (550, "5.7.60 SMTP; Client does not have permissions to send as this sender"),
    (550, "5.7.26 This mail has been blocked because the sender is unauthenticated. Gmail requires SPF or DKIM"),
    (550, "5.7.26 Unauthenticated email from a.example is not accepted due to domain's DMARC policy"),
    (554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org"),
    (554, "5.7.1 Spamhaus"),
    (553, "5.1.3 Mail from 192.0.2.1 refused, see https://www.spamhaus.org/query/ip/192.0.2.1"),
    (550, "5.1.1 <anna@customer.example> 192.0.2.1 has sent to too many recipients today"),
    (550, "5.7.606 Access denied, banned sending IP [192.0.2.1]. To request removal visit the portal"),
    (550, "5.7.705 Access denied, tenant has exceeded threshold"),
    (550, "5.7.1 [C12] RBL Restriction: bl.spamcop.net"),
    (550, "JunkMail rejected - host [192.0.2.1] is in an RBL"),
    (550, "#5.7.1 Your access to this mail system has been rejected due to the sending MTA's poor reputation"),
    (554, "Message rejected: Email address is not verified. The following identities failed the check in region EU"),
    (554, "Message rejected: Sending paused for this account. For more information, please check the inbox"),
    (454, "5.7.0 Sending is suspended"),
    (550, "5.7.23 <anna@customer.example>: Recipient address rejected: Message rejected due to: SPF fail"),
    (550, "<anna@customer.example>: Recipient address rejected: Please see http://www.openspf.org/Why"),
    (550, "5.4.5 Daily user sending limit exceeded"),
    (550, "5.4.5 Daily SMTP relay sending limit exceeded for user"),
    (550, "User a has exceeded its 24-hour sending limit. Messages to 500 recipients out of 500 allowed"),
    (550, "Too many messages from 192.0.2.1, slow down"),
    (550, "5.7.1 Rate limit exceeded"),
    (550, "Sender verify failed"),
    (553, "5.7.1 <us@a.example>: Sender address rejected: not owned by user us"),
    (554, "5.7.9 Message not accepted for policy reasons. See https://postmaster.yahooinc.com/error-codes"),
    (554, "5.2.252 SendAsDenied; us@a.example not allowed to send as them@a.example"),
    (550, "5.7.999 something that nobody has seen before"),
    (550, "Reverse DNS lookup failed for 192.0.2.1"),
    (550, "5.7.1 Message rejected as spam by content filtering"),
    (550, "5.7.0 Must issue a STARTTLS command first"),
    (550, "High probability of spam"),
]
PASSING = [
    (550, "5.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages"),
    (550, "5.2.1 The user you are trying to contact is receiving mail too quickly. Please resend later"),
]
GONE = [
    (550, "5.1.1 The email account that you tried to reach does not exist. Please try double-checking the address"),
    (550, "5.1.1 <anti-spam@policy.example>: Recipient address rejected: User unknown in local recipient table"),
    (550, "5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient anna@customer.example not found by SMTP address lookup"),
    (550, "5.2.1 The email account that you tried to reach is disabled"),
    (556, "5.1.10 Recipient address has null MX"),
    (550, "5.7.17 Mailbox owner has changed"),
]
RECIPIENTS = [
    (550, "5.1.1 <anna@customer.example>: rejected by local policy"),
    (552, "5.2.2 The email account that you tried to reach is over quota"),
    (550, "5.4.1 Recipient address rejected: Access denied. AS(201806281)"),
    (550, "5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required"),
    (550, "5.7.1 RESOLVER.RST.NotAuthorized; not authorized"),
    (550, "5.7.1 You are not welcome to send to this list: members only"),
    (554, "5.7.1 <anna@customer.example>: Recipient address rejected: Access denied"),
    (550, "No such user here"),
    (550, "Requested action not taken: mailbox unavailable"),
    (550, "quota exceeded: the mailbox is full"),
    (552, "5.3.4 Message size exceeds fixed maximum message size"),
    (554, "5.6.0 Message contains invalid header"),
    (554, "Transaction failed"),
]


@pytest.mark.parametrize("stage", [Stage.RCPT, Stage.DATA, Stage.DATA_END])
@pytest.mark.parametrize(
    ("expected", "code", "message"),
    [
        *((OperatorFault, *reply) for reply in OURS),
        *((TryAgain, *reply) for reply in PASSING),
        *((RecipientGone, *reply) for reply in GONE),
        *((Rejected, *reply) for reply in RECIPIENTS),
    ],
)
def test_a_refusal_is_of_us_or_of_the_recipient(stage: Stage, expected: type[object], code: int, message: str) -> None:
    assert type(outcome(stage, code, message)) is expected


def test_the_table_decides_every_refusal() -> None:
    assert TABLE[-1].fits("", "")
    assert {sign.fault for sign in TABLE} == set(Fault)


@pytest.mark.parametrize("text", ["a" * 200_000, "sender " * 30_000, "exceed " * 30_000, "<" * 200_000, " \n" * 99_999])
def test_a_text_of_any_form_is_decided(text: str) -> None:
    assert type(outcome(Stage.RCPT, 550, text)) in (Rejected, OperatorFault)
