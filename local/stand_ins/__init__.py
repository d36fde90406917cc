"""Receiving sides for tests, demo and benchmark: an SMTP server and the Telegram Bot API, on real sockets.

They stand in for the providers, and they are the witness: what a test asserts is what they accepted.
"""

from local.stand_ins.script import AcceptThenReset, Gate, Hang, Proceed, Reset
from local.stand_ins.smtp_actions import CloseAfter, EndlessReply, Reply
from local.stand_ins.smtp_sink import ReceivedMail, SmtpSink
from local.stand_ins.telegram_answers import Answer, SlowDrip
from local.stand_ins.telegram_api import ReceivedMessage, TelegramApi

__all__ = [
    "AcceptThenReset",
    "Answer",
    "CloseAfter",
    "EndlessReply",
    "Gate",
    "Hang",
    "Proceed",
    "ReceivedMail",
    "ReceivedMessage",
    "Reply",
    "Reset",
    "SlowDrip",
    "SmtpSink",
    "TelegramApi",
]
