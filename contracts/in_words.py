"""Says in plain words what the stable codes of the record mean. A sentence names nobody."""

from __future__ import annotations

from typing import assert_never

from contracts.keys import NotificationType
from contracts.sending import DeliveryStatus, NotificationStatus, Reason


def of_type(notification_type: NotificationType) -> str:
    """Returns what a notification of this type is, such as "Warning of an end"."""
    match notification_type:
        case NotificationType.EXPIRING:
            return "Warning of an end"
        case NotificationType.EXPIRED:
            return "Notice of an end"
        case NotificationType.TEST:
            return "Test"
        case NotificationType.ALERT:
            return "Alert to the operators"
        case _:
            assert_never(notification_type)


def of_notification(status: NotificationStatus) -> str:
    """Returns what the notification's status means, as a sentence."""
    match status:
        case NotificationStatus.OPEN:
            return "At least one delivery has not ended yet."
        case NotificationStatus.DELIVERED:
            return "At least one provider accepted the message."
        case NotificationStatus.UNDELIVERED:
            return "No provider accepted the message, and none is in doubt."
        case NotificationStatus.IN_DOUBT:
            return "No provider's acceptance is known, and at least one may have the message."
        case _:
            assert_never(status)


def of_delivery(status: DeliveryStatus) -> str:
    """Returns what the delivery's status means, as a sentence."""
    match status:
        case DeliveryStatus.PENDING:
            return "Not sent yet. Another attempt follows."
        case DeliveryStatus.SENDING:
            return "In flight: the provider's answer is not known yet."
        case DeliveryStatus.ACCEPTED:
            return "The provider accepted the message."
        case DeliveryStatus.REJECTED:
            return "The provider refused the message for good."
        case DeliveryStatus.UNKNOWN:
            return "The provider may have the message: its answer was lost."
        case DeliveryStatus.FAILED:
            return "Given up. Nothing was sent."
        case DeliveryStatus.SKIPPED:
            return "Not sent on purpose."
        case _:
            assert_never(status)


def of_reason(code: str) -> str | None:
    """Returns what a reason means, as a sentence. None: it is not a `Reason`, but a provider's own code."""
    try:
        return _of_reason(Reason(code))
    except ValueError:
        return None


def _of_reason(reason: Reason) -> str:  # noqa: PLR0912 - one line for each code
    match reason:
        case Reason.CHANNEL_NOT_CONFIGURED:
            return "This installation does not use the channel."
        case Reason.CHANNEL_OFF:
            return "The channel is disabled for this contact."
        case Reason.NO_ADDRESS:
            return "The company has no address on this channel."
        case Reason.INVALID_ADDRESS:
            return "The address is not valid."
        case Reason.RENEWED:
            return "The item was renewed."
        case Reason.ITEM_NOT_ACTIVE:
            return "The item is not active any more."
        case Reason.AUTO_RENEW:
            return "The project renews itself."
        case Reason.GAVE_UP:
            return "Its deadline passed before a provider accepted it."
        case Reason.CANCELLED:
            return "An operator cancelled the workflow."
        case Reason.IN_DOUBT:
            return "An earlier attempt may have sent it, so it is not sent again."
        case Reason.NO_RESULT:
            return "The workflow ended without a result for it."
        case Reason.NOT_REQUESTED:
            return "The test was not requested on this channel."
        case Reason.WITHDRAWN:
            return "The notification was withdrawn."
        case Reason.SUPPRESSED:
            return "The address is suppressed: its provider said that it is gone."
        case Reason.TERMINATED:
            return "An operator terminated the workflow."
        case Reason.WORKFLOW_LOST:
            return "Its workflow was lost twice."
        case Reason.CONFIRMED:
            return "An operator confirmed that it arrived."
        case Reason.UNSUBSCRIBED:
            return "The recipient has unsubscribed."
        case Reason.BOUNCED:
            return "The e-mail came back."
        case Reason.BOUNCE_UNPROVEN:
            return "A report says that the e-mail came back, but nothing proves that the report is genuine."
        case Reason.COMPLAINED:
            return "The recipient complained about the e-mail."
        case Reason.PAUSED:
            return "Sending is paused."
        case Reason.QUIET_HOURS:
            return "The company has quiet hours."
        case Reason.MOVED:
            return "The item belongs to another company or project now."
        case Reason.SUPERSEDED:
            return "A warning closer to the end was sent instead."
        case Reason.UNWRITABLE:
            return "A value cannot be written to the database."
        case Reason.INTERNAL_ERROR:
            return "An error in this application or in a setting: see the worker's log."
        case _:
            assert_never(reason)
