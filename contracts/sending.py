"""What the workflow of one notification is told, and what it answers.

Histories are kept for months and shown in the Web UI, so nothing here may carry a recipient, a text or a secret. Every
payload is a frozen dataclass; a field added later has a default, so that histories recorded before it still decode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never


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


def is_in_doubt(status: DeliveryStatus) -> bool:
    """Whether an operator has to decide if it arrived."""
    match status:
        case DeliveryStatus.UNKNOWN:
            return True
        case (
            DeliveryStatus.PENDING
            | DeliveryStatus.SENDING
            | DeliveryStatus.ACCEPTED
            | DeliveryStatus.REJECTED
            | DeliveryStatus.FAILED
            | DeliveryStatus.SKIPPED
        ):
            return False
        case _:
            assert_never(status)


class NotificationStatus(StrEnum):
    """What became of a notification over all its channels."""

    OPEN = "open"
    DELIVERED = "delivered"
    """At least one channel accepted it."""
    UNDELIVERED = "undelivered"
    """No channel accepted it and none is in doubt."""
    IN_DOUBT = "in_doubt"
    """No channel accepted it for sure, at least one may have."""


def has_ended(status: NotificationStatus) -> bool:
    """Whether nothing of it is to be sent any more."""
    match status:
        case NotificationStatus.OPEN:
            return False
        case NotificationStatus.DELIVERED | NotificationStatus.UNDELIVERED | NotificationStatus.IN_DOUBT:
            return True
        case _:
            assert_never(status)


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


HEARTBEAT_TIMEOUT = timedelta(seconds=30)
"""An activity's worker is taken for dead after this long without a heartbeat."""

ATTEMPT_MARGIN = timedelta(seconds=15)
"""What the server waits beyond the bound an attempt sets itself, so that the attempt reports its own time-out."""


@dataclass(frozen=True)
class ChannelOptions:
    """What the settings say of one channel's attempts. Durations are seconds."""

    retry_initial: float
    attempt_timeout: float


ALWAYS_DELIVERED = ("email", "telegram")
"""The channels of which every notification has a delivery, reachable or not: the flat record has their columns, and
payloads of 0.3.0 name them. Their fields below stay filled, so that a worker of that release can finish what a newer
one began."""


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
    channels: dict[str, ChannelOptions] = field(default_factory=dict)
    """Of the channels that have no fields above, by name."""

    @classmethod
    def of(cls, queue_prefix: str, channels: Mapping[str, ChannelOptions], api_url: str = "") -> SendOptions:
        """`channels` holds the options of every channel, by name."""
        email, telegram = (channels[name] for name in ALWAYS_DELIVERED)
        return cls(
            queue_prefix,
            email_retry_initial=email.retry_initial,
            telegram_retry_initial=telegram.retry_initial,
            email_attempt_timeout=email.attempt_timeout,
            telegram_attempt_timeout=telegram.attempt_timeout,
            api_url=api_url,
            channels={name: options for name, options in channels.items() if name not in ALWAYS_DELIVERED},
        )

    def of_channel(self, name: str) -> ChannelOptions | None:
        """None: whoever made these options did not know the channel."""
        match name:
            case "email":
                return ChannelOptions(self.email_retry_initial, self.email_attempt_timeout)
            case "telegram":
                return ChannelOptions(self.telegram_retry_initial, self.telegram_attempt_timeout)
            case _:
                return self.channels.get(name)


@dataclass(frozen=True)
class DeliveryToSend:
    """One delivery of a notification; a company may have several on one channel."""

    delivery_id: int | None
    """None: from a payload of 0.3.0, the only delivery on that channel."""
    channel: str
    fairness: Fairness = Fairness()


@dataclass(frozen=True)
class ReopenedDelivery:
    """A delivery that an operator wants tried again."""

    delivery_id: int | None
    """None: from a release that knew channels only."""
    channel: str

    def means(self, delivery: DeliveryToSend) -> bool:
        """Where one of them has no id, their channel decides."""
        if None in (self.delivery_id, delivery.delivery_id):
            return self.channel == delivery.channel
        return self.delivery_id == delivery.delivery_id


@dataclass(frozen=True)
class SendNotificationInput:
    notification_id: int
    give_up_at: datetime
    """No attempt begins or continues after this."""
    options: SendOptions
    urgent: bool = False
    email_fairness: Fairness = Fairness()
    telegram_fairness: Fairness = Fairness()
    deliveries: list[DeliveryToSend] = field(default_factory=list)

    def to_send(self) -> list[DeliveryToSend]:
        """The deliveries, in the order in which their activities are scheduled: e-mail and Telegram first, as in
        histories of 0.3.0."""
        if self.deliveries:
            return sorted(self.deliveries, key=lambda each: _rank(each.channel))
        fairness = (self.email_fairness, self.telegram_fairness)
        return [DeliveryToSend(None, *each) for each in zip(ALWAYS_DELIVERED, fairness, strict=True)]


@dataclass(frozen=True)
class DeliveryOutcome:
    """How one delivery stands, as the database has it; `reason` is a stable code."""

    delivery_id: int
    channel: str
    status: DeliveryStatus
    reason: str | None = None


@dataclass(frozen=True)
class SendNotificationResult:
    """How the notification and its deliveries ended, as the database has it."""

    status: NotificationStatus
    email: DeliveryStatus
    telegram: DeliveryStatus
    email_reason: str | None = None
    telegram_reason: str | None = None
    give_up_at: datetime | None = None
    """Of what stands open: a delivery that was reopened may have got a later one."""
    deliveries: list[DeliveryOutcome] = field(default_factory=list)

    @classmethod
    def of(
        cls, status: NotificationStatus, deliveries: Sequence[DeliveryOutcome], give_up_at: datetime | None = None
    ) -> SendNotificationResult:
        email, telegram = (_on_channel(deliveries, name) for name in ALWAYS_DELIVERED)
        return cls(
            status,
            email.status,
            telegram.status,
            email.reason,
            telegram.reason,
            give_up_at,
            list(deliveries),
        )

    def known(self) -> list[KnownDelivery]:
        """What a workflow that has ended knew of its deliveries."""
        if self.deliveries:
            return [
                KnownDelivery(each.delivery_id, each.channel, SendResult(each.status, each.reason))
                for each in self.deliveries
            ]
        results = (SendResult(self.email, self.email_reason), SendResult(self.telegram, self.telegram_reason))
        return [KnownDelivery(None, *each) for each in zip(ALWAYS_DELIVERED, results, strict=True)]


@dataclass(frozen=True)
class SendInput:
    """The send activity of one delivery."""

    notification_id: int
    give_up_at: datetime
    delivery_id: int | None = None
    """None: the only delivery on the activity's channel."""


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
class KnownDelivery:
    """What the workflow knows of one delivery."""

    delivery_id: int | None
    """None: from a payload of 0.3.0, the only delivery on that channel."""
    channel: str
    result: SendResult


@dataclass(frozen=True)
class RecordOutcomeInput:
    notification_id: int
    email: SendResult
    telegram: SendResult
    at: datetime | None = None
    """Now, of a workflow that may continue with what an operator has reopened. None: nothing follows this record."""
    deliveries: list[KnownDelivery] = field(default_factory=list)

    @classmethod
    def of(
        cls, notification_id: int, deliveries: Sequence[KnownDelivery], at: datetime | None = None
    ) -> RecordOutcomeInput:
        not_asked_for = SendResult(DeliveryStatus.SKIPPED, Reason.NOT_REQUESTED)
        results = {each.channel: each.result for each in deliveries}
        email, telegram = (results.get(name, not_asked_for) for name in ALWAYS_DELIVERED)
        return cls(notification_id, email, telegram, at, list(deliveries))

    def known(self) -> list[KnownDelivery]:
        """What the workflow knows of each delivery."""
        results = (self.email, self.telegram)
        return self.deliveries or [KnownDelivery(None, *each) for each in zip(ALWAYS_DELIVERED, results, strict=True)]


def _rank(channel: str) -> tuple[bool, int]:
    """Sorts the channels that payloads of 0.3.0 name before all others, which keep their order."""
    known = channel in ALWAYS_DELIVERED
    return (not known, ALWAYS_DELIVERED.index(channel) if known else 0)


def _on_channel(deliveries: Sequence[DeliveryOutcome], channel: str) -> DeliveryOutcome:
    """The channel's first delivery; one that was never asked for, where there is none."""
    absent = DeliveryOutcome(0, channel, DeliveryStatus.SKIPPED, Reason.NOT_REQUESTED)
    return next((each for each in deliveries if each.channel == channel), absent)
