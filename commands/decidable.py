"""Whether an operator may decide a delivery: each check returns why not, or None if it may be."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from contracts.keys import goes_to_suppressed
from contracts.sending import DeliveryStatus, Reason, is_in_doubt
from db.record.reopen import Subject


def in_doubt(subject: Subject) -> str | None:
    if is_in_doubt(subject.status):
        return None
    return f"it is {subject.status}: only an unknown delivery can be resolved"


def ended_without_doubt(subject: Subject) -> str | None:
    match subject.status:
        case DeliveryStatus.REJECTED | DeliveryStatus.FAILED | DeliveryStatus.SKIPPED:
            return None
        case DeliveryStatus.UNKNOWN:
            return "it is in doubt: use `resolve --resend` to send it again"
        case DeliveryStatus.ACCEPTED:
            return "it was accepted: the recipient would get it twice"
        case DeliveryStatus.PENDING | DeliveryStatus.SENDING:
            return f"it is {subject.status}: its workflow is still trying to send it"
        case _:
            assert_never(subject.status)


def reachable(subject: Subject, deadline: datetime, now: datetime) -> str | None:
    if subject.company_is_erased:
        return "its company is erased: nothing is sent to it any more"
    if subject.text_is_gone:
        return "its text and recipient were removed after TEXTS_KEEP_DAYS: there is nothing to send"
    if subject.suppressed and not goes_to_suppressed(subject.notification_type):
        unsuppress = f"`unsuppress {subject.channel} {subject.recipient}`"
        if subject.suppressed == Reason.UNSUBSCRIBED:
            return f"{subject.recipient} has unsubscribed: if they ask for e-mails again, run {unsuppress}"
        return f"{subject.recipient} is suppressed: correct the address, or run {unsuppress}"
    if deadline <= now:
        return f"its item ended at {deadline:%Y-%m-%d %H:%M} UTC: it is too late to warn of the end"
    return None
