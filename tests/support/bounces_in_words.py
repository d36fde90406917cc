"""Bounces as servers write them in words, and complaints. Typed anew after public samples, for one mail of ours."""

from __future__ import annotations

from tests.support.bouncing import MESSAGE_ID

COPY = f"""Return-Path: <notices@platform.example>
From: Expiry notifier <notices@platform.example>
To: Anna@Customer.example
Subject: Tower ends in 7 days
Date: Mon, 01 Jun 2026 09:00:05 +0000
Message-ID: {MESSAGE_ID}
X-Notification-Id: 7

Tower ends.
"""
NO_SUCH_USER = "550 5.1.1 <anna@customer.example>... User Unknown"


def opensmtpd(said: str = NO_SUCH_USER) -> str:
    return f"""Return-Path: <>
Received: from localhost (localhost [local]);
\tby mail.platform.example (OpenSMTPD) with ESMTPA id c3832c27;
\tfor <notices@platform.example>;
Subject: Delivery status notification: error
From: Mailer Daemon <MAILER-DAEMON@mail.platform.example>
To: notices@platform.example

    Hi!

    This is the MAILER-DAEMON, please DO NOT REPLY to this e-mail.

    An error has occurred while attempting to deliver a message for
    the following list of recipients:

anna@customer.example: {said}

    Below is a copy of the original message:

{COPY}"""


def exim(said: str = NO_SUCH_USER, sender: str = "Mailer-Daemon@mail.platform.example", before: str = "") -> str:
    return f"""Return-path: <>
X-Failed-Recipients: anna@customer.example
Auto-Submitted: auto-replied
From: Mail Delivery System <{sender}>
To: notices@platform.example
Content-Type: text/plain; charset=utf-8
Subject: Mail delivery failed: returning message to sender

{before}This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  anna@customer.example
    SMTP error from remote mail server after RCPT TO:<anna@customer.example>:
    host mx.customer.example [192.0.2.25]: {said}

------ This is a copy of the message, including all the headers. ------

{COPY}"""


def mail_ru(said: str = NO_SUCH_USER) -> str:
    before = "Это письмо создано автоматически сервером Mail.Ru, отвечать на него не нужно.\n\n"
    return exim(said, "mailer-daemon@corp.mail.ru", before)


def qmail(said: str = NO_SUCH_USER) -> str:
    return f"""Received: (qmail 10000 invoked for bounce); 1 Jun 2026 09:00:07 -0000
From: MAILER-DAEMON@mail.platform.example
To: notices@platform.example
Subject: failure notice

Hi. This is the qmail-send program at mail.platform.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<anna@customer.example>:
192.0.2.25 does not like recipient.
Remote host said: {said}
Giving up on 192.0.2.25.

--- Below this line is a copy of the message.

{COPY}"""


def gmail(said: str = NO_SUCH_USER) -> str:
    return f"""Return-Path: <>
From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>
To: notices@platform.example
X-Failed-Recipients: anna@customer.example
Subject: Delivery Status Notification (Failure)
Content-Type: text/plain; charset=ISO-8859-1

Delivery to the following recipient failed permanently:

     anna@customer.example

Technical details of permanent failure:
Google tried to deliver your message, but it was rejected by the recipient
domain. The error that the other server returned was: {said}

----- Original message -----

{COPY}"""


def work_mail(said: str = NO_SUCH_USER) -> str:
    return f"""Return-Path: <>
From: Mail Delivery System <postmaster@mail.platform.example>
To: notices@platform.example
X-Mailer: Amazon WorkMail
Subject: Delivery Status Notification (Failure)
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=x

--x
Content-Type: text/plain; charset=utf-8

The following message to <anna@customer.example> was undeliverable.
The reason for the problem:

{said}

--x
Content-Type: message/rfc822

{COPY}
--x--
"""


def mail_marshal(said: str = NO_SUCH_USER) -> str:
    return f"""From: postmaster@relay.platform.example
To: notices@platform.example
Subject: Undeliverable Mail: "Tower ends in 7 days"
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=x

--x
Content-Type: text/plain; charset=iso-8859-1

Your message:
   From:    notices@platform.example
   Subject: Tower ends in 7 days

Could not be delivered because of

{said}

The following recipients were affected:
    anna@customer.example

--x
Content-Type: text/rfc822-headers

{COPY}
--x--
"""


def nested(report: bytes, container: str = "multipart/mixed") -> bytes:
    """A report that somebody's server has forwarded."""
    head = f"From: forwarder@platform.example\r\nContent-Type: {container}; boundary=outer\r\n\r\n--outer\r\n"
    return f"{head}Content-Type: message/rfc822\r\n\r\n".encode() + report + b"\r\n--outer--\r\n"


def complaint(kind: str = "abuse", envelope_sender: str = "notices@platform.example") -> bytes:
    """RFC 5965."""
    return f"""Return-Path: <feedback@provider.example>
From: feedback@provider.example
To: abuse@platform.example
Subject: FW: Tower ends in 7 days
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary=x

--x
Content-Type: text/plain

This is an email abuse report.

--x
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: Provider/1
Version: 1
Original-Mail-From: <{envelope_sender}>
Original-Rcpt-To: <redacted@customer.example>

--x
Content-Type: message/rfc822

{COPY}
--x--
""".encode()


WORDS = {
    "opensmtpd": opensmtpd,
    "exim": exim,
    "mail.ru": mail_ru,
    "qmail": qmail,
    "gmail": gmail,
    "work mail": work_mail,
    "mail marshal": mail_marshal,
}
