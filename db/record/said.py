"""What counts as said: whether a notification has told its company, or may be opened again."""

from __future__ import annotations

from enum import Enum, auto
from typing import assert_never

from contracts.sending import DeliveryStatus, Reason


class EndedBy(Enum):
    """What ended a delivery that was not handed over."""

    ITEM = auto()
    """The item or its company, as they were then. If that changes back, the company must be told after all."""
    WAY = auto()
    """Its address, its channel or its attempts. That alone opens nothing again: a company without any address would
    be opened anew in every scan."""
    OPERATOR = auto()
    """An operator ended it on purpose: the delivery stays ended."""


def ended_by(reason: Reason) -> EndedBy:
    """Returns what ended a delivery with this reason. A provider's own code is not a `Reason` and means `WAY`."""
    match reason:
        case Reason.RENEWED | Reason.ITEM_NOT_ACTIVE | Reason.AUTO_RENEW | Reason.MOVED:
            return EndedBy.ITEM
        case Reason.CANCELLED | Reason.TERMINATED | Reason.CONFIRMED:
            return EndedBy.OPERATOR
        case (
            Reason.CHANNEL_NOT_CONFIGURED
            | Reason.CHANNEL_OFF
            | Reason.NO_ADDRESS
            | Reason.INVALID_ADDRESS
            | Reason.SUPPRESSED
            | Reason.UNSUBSCRIBED
            | Reason.BOUNCED
            | Reason.BOUNCE_UNPROVEN
            | Reason.COMPLAINED
            | Reason.GAVE_UP
            | Reason.NO_RESULT
            | Reason.WORKFLOW_LOST
            | Reason.IN_DOUBT
            | Reason.NOT_REQUESTED
            | Reason.WITHDRAWN
            | Reason.SUPERSEDED
            | Reason.PAUSED
            | Reason.QUIET_HOURS
            | Reason.UNWRITABLE
            | Reason.INTERNAL_ERROR
        ):
            return EndedBy.WAY
        case _:
            assert_never(reason)


NEEDLESS = tuple(each for each in Reason if ended_by(each) is EndedBy.ITEM or each is Reason.SUPERSEDED)
"""With these reasons the company did not have to be told any more, or a tighter warning told it. Not a failure."""


def may_be_said(status: DeliveryStatus) -> bool:
    """Whether the company has the message, may have it, or may still get it. A bounced one is `rejected`: it came
    back."""
    match status:
        case DeliveryStatus.PENDING | DeliveryStatus.SENDING | DeliveryStatus.ACCEPTED | DeliveryStatus.UNKNOWN:
            return True
        case DeliveryStatus.REJECTED | DeliveryStatus.FAILED | DeliveryStatus.SKIPPED:
            return False
        case _:
            assert_never(status)


def _listed(values: list[DeliveryStatus] | list[Reason]) -> str:
    return ", ".join(f"'{value.value}'" for value in values)


_MAY_BE_SAID = f"d.status IN ({_listed([each for each in DeliveryStatus if may_be_said(each)])})"
ENDED_BY_ITEM = f"d.reason IN ({_listed([each for each in Reason if ended_by(each) is EndedBy.ITEM])})"
"""A condition: delivery `d` ended because of what its item or company was then."""
_ENDED_BY_OPERATOR = f"d.reason IN ({_listed([each for each in Reason if ended_by(each) is EndedBy.OPERATOR])})"

UNSAID = f"""(
    EXISTS (SELECT FROM deliveries d WHERE d.notification_id = n.id AND {ENDED_BY_ITEM})
    AND NOT EXISTS (SELECT FROM deliveries d WHERE d.notification_id = n.id AND {_MAY_BE_SAID})
)"""  # noqa: S608 - made of constants
"""A condition: notification `n` has told nobody, and at least one of its deliveries ended because of what the item was
then. It may be opened again."""

TRIED_AGAIN = f"coalesce(NOT {_ENDED_BY_OPERATOR}, true)"
"""A condition: delivery `d` of a notification that is opened again is tried again too. Its claim decides anew whether
the company can be reached."""
