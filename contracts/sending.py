"""What the workflow of one notification is told, and what it answers.

Histories are kept for months and shown in the Web UI, so nothing here may carry a recipient, a text or a secret. Every
payload is a frozen dataclass; a field added later has a default, so that histories recorded before it still decode.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from contracts.keys import NotificationType
from contracts.queues import Channel


class DeliveryStatus(StrEnum):
    """Where one channel of one notification stands. The last five are ends."""

    PENDING = "pending"
    """Nothing handed over yet, or the last attempt surely handed nothing over."""
    SENDING = "sending"
    """In flight: the irrevocable step has begun and no result is known."""
    ACCEPTED = "accepted"
    """The provider took it; its reply or message id stands beside."""
    REJECTED = "rejected"
    """The provider refused it for good."""
    UNKNOWN = "unknown"
    """The provider may have taken it; nobody can tell."""
    FAILED = "failed"
    """Given up, and surely nothing was handed over."""
    SKIPPED = "skipped"
    """Not to be sent; the reason says why."""


class NotificationStatus(StrEnum):
    """What became of a notification over all its channels."""

    OPEN = "open"
    DELIVERED = "delivered"
    """At least one channel accepted it."""
    UNDELIVERED = "undelivered"
    """No channel accepted it and none is in doubt."""
    IN_DOUBT = "in_doubt"
    """No channel accepted it for sure, at least one may have."""


class Reason(StrEnum):
    """Stable codes for why a delivery ended as it did, where the provider's answer does not say it."""

    CHANNEL_NOT_CONFIGURED = "channel_not_configured"
    CHANNEL_OFF = "channel_off"
    NO_ADDRESS = "no_address"
    INVALID_ADDRESS = "invalid_address"
    RENEWED = "renewed"
    ITEM_NOT_ACTIVE = "item_not_active"
    AUTO_RENEW = "auto_renew"
    GAVE_UP = "gave_up"
    CANCELLED = "cancelled"
    IN_DOUBT = "in_doubt"
    NO_RESULT = "no_result"
    NOT_REQUESTED = "not_requested"
    WITHDRAWN = "withdrawn"
    SUPPRESSED = "suppressed"
    TERMINATED = "terminated"
    WORKFLOW_LOST = "workflow_lost"
    CONFIRMED = "confirmed_by_operator"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    PAUSED = "paused"
    QUIET_HOURS = "quiet_hours"
    MOVED = "moved"
    SUPERSEDED = "superseded"


@dataclass(frozen=True)
class Fairness:
    """Whose turn a task is: the queue's limit for each key holds for all tasks with the same one."""

    key: str = ""
    weight: float = 1.0
    """Its share of the limit."""


@dataclass(frozen=True)
class SendOptions:
    """What `SendNotificationWorkflow` needs of the settings. Durations are seconds."""

    queue_prefix: str
    email_retry_initial: float
    telegram_retry_initial: float
    email_attempt_timeout: float
    telegram_attempt_timeout: float
    api_url: str = ""
    """Where the API is reached from a browser; empty: no links in the Web UI."""


@dataclass(frozen=True)
class SendNotificationInput:
    notification_id: int
    give_up_at: datetime
    """No attempt begins or goes on after this."""
    options: SendOptions
    urgent: bool = False
    email_fairness: Fairness = Fairness()
    telegram_fairness: Fairness = Fairness()


@dataclass(frozen=True)
class SendNotificationResult:
    """How the notification and its channels ended, as the database has it."""

    status: NotificationStatus
    email: DeliveryStatus
    telegram: DeliveryStatus
    email_reason: str | None = None
    telegram_reason: str | None = None
    give_up_at: datetime | None = None
    """Of what stands open: a delivery that was reopened may have got a later one."""


@dataclass(frozen=True)
class SendInput:
    """One channel's send activity."""

    notification_id: int
    give_up_at: datetime


@dataclass(frozen=True)
class Evidence:
    """What the provider answered when it took the message."""

    provider_id: str | None
    provider_reply: str


@dataclass(frozen=True)
class SendResult:
    """How a channel ended, as far as the workflow knows; `reason` is a stable code.

    `evidence` and `claim_seq` travel only where the database could not take the answer at once.
    """

    status: DeliveryStatus
    reason: str | None = None
    evidence: Evidence | None = None
    claim_seq: int | None = None
    """The claim whose attempt was refused."""


@dataclass(frozen=True)
class RecordOutcomeInput:
    notification_id: int
    email: SendResult
    telegram: SendResult
    at: datetime | None = None
    """Now, of a workflow that goes on with what an operator has reopened. None: nothing goes on after this record."""


@dataclass(frozen=True)
class StartableNotification:
    """An open notification that has no running workflow yet."""

    notification_id: int
    notification_type: NotificationType
    workflow_id: str
    give_up_at: datetime
    company_id: int | None = None
    project_id: int | None = None
    days_left: int | None = None
    telegram_fairness: Fairness = Fairness()
    ar_content_id: int | None = None
    again: bool = False
    """It had a workflow before, of which nothing is left or which has ended: an operator or the recovery wants one."""
    reopened: list[Channel] = field(default_factory=list)
    """Channels that an operator wants tried again."""

    def send_input(self, options: SendOptions) -> SendNotificationInput:
        """What its workflow starts with, whoever starts it."""
        return SendNotificationInput(
            self.notification_id,
            self.give_up_at,
            options,
            urgent=self.notification_type in (NotificationType.TEST, NotificationType.ALERT),
            email_fairness=Fairness(str(self.company_id or "")),
            telegram_fairness=self.telegram_fairness,
        )
