"""Says which class a delivery's reason belongs to.

Reasons are many, and a provider's answers make new ones. Classes are few, so that a metric can have them as a label.
"""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from contracts.sending import DeliveryStatus, Reason


class ReasonClass(StrEnum):
    NONE = "none"
    """There is no reason: the provider took the message."""
    RECIPIENT = "recipient"
    """The address: there is none, it is switched off, refused or gone, or its owner wants no messages."""
    PROVIDER = "provider"
    """The provider did not take the message in time, or its answer was lost."""
    ITEM = "item"
    """The item needs no notification any more."""
    OPERATOR = "operator"
    """An operator or a caller of the API wanted it so."""
    DEADLINE = "deadline"
    """Its time was over before an attempt could send."""
    CONFIGURATION = "configuration"
    """The channel is not configured."""
    INTERNAL = "internal"
    """An error of this application, or a workflow that is lost."""


def reason_class(status: DeliveryStatus, reason: str | None) -> ReasonClass:
    """Returns the class of the reason of a delivery with that status. A code that is not ours is a provider's answer:
    a refusal for good names the recipient."""
    if reason is None:
        return ReasonClass.NONE
    try:
        ours = Reason(reason)
    except ValueError:
        return ReasonClass.RECIPIENT if status is DeliveryStatus.REJECTED else ReasonClass.PROVIDER
    return _class_of(ours)


def _class_of(reason: Reason) -> ReasonClass:
    match reason:
        case (
            Reason.CHANNEL_OFF
            | Reason.NO_ADDRESS
            | Reason.INVALID_ADDRESS
            | Reason.SUPPRESSED
            | Reason.UNSUBSCRIBED
            | Reason.BOUNCED
            | Reason.BOUNCE_UNPROVEN
            | Reason.COMPLAINED
        ):
            return ReasonClass.RECIPIENT
        case Reason.IN_DOUBT:
            return ReasonClass.PROVIDER
        case Reason.RENEWED | Reason.ITEM_NOT_ACTIVE | Reason.AUTO_RENEW | Reason.MOVED | Reason.SUPERSEDED:
            return ReasonClass.ITEM
        case Reason.CANCELLED | Reason.TERMINATED | Reason.WITHDRAWN | Reason.NOT_REQUESTED | Reason.CONFIRMED:
            return ReasonClass.OPERATOR
        case Reason.GAVE_UP | Reason.PAUSED | Reason.QUIET_HOURS:
            return ReasonClass.DEADLINE
        case Reason.CHANNEL_NOT_CONFIGURED:
            return ReasonClass.CONFIGURATION
        case Reason.NO_RESULT | Reason.WORKFLOW_LOST | Reason.UNWRITABLE | Reason.INTERNAL_ERROR:
            return ReasonClass.INTERNAL
        case _:
            assert_never(reason)
