"""The payloads of one notification's workflow.

Histories are kept for months and shown in the Web UI, so no payload may contain a recipient, a text or a secret. Every
payload is a frozen dataclass. A field added later has a default, so that older histories still decode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never


class DeliveryStatus(StrEnum):
    """The state of one delivery. The last five are final."""

    PENDING = "pending"
    """Not handed over: there was no attempt yet, or the last one certainly handed over nothing."""
    SENDING = "sending"
    """In flight: the irrevocable step has begun and its result is not known yet."""
    ACCEPTED = "accepted"
    """The provider took the message; its reply or message id is recorded."""
    REJECTED = "rejected"
    """The provider refused the message for good."""
    UNKNOWN = "unknown"
    """In doubt: the provider may have taken the message, but its answer was lost."""
    FAILED = "failed"
    """Given up. Certainly nothing was handed over."""
    SKIPPED = "skipped"
    """Not sent on purpose; the reason says why."""


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
    """The outcome of a notification over all its deliveries."""

    OPEN = "open"
    DELIVERED = "delivered"
    """At least one delivery was accepted."""
    UNDELIVERED = "undelivered"
    """No delivery was accepted, and none is in doubt."""
    IN_DOUBT = "in_doubt"
    """No delivery was accepted, but at least one is in doubt."""


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
    """Stable codes that say why a delivery ended, if the provider's answer does not."""

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
    BOUNCE_UNPROVEN = "bounce_unproven"
    COMPLAINED = "complained"
    PAUSED = "paused"
    QUIET_HOURS = "quiet_hours"
    MOVED = "moved"
    SUPERSEDED = "superseded"
    UNWRITABLE = "unwritable"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True)
class Fairness:
    """A task's fairness key: all tasks with the same key share one rate limit of the queue."""

    key: str = ""
    weight: float = 1.0
    """The key's share of the queue."""


HEARTBEAT_TIMEOUT = timedelta(seconds=30)
"""After this time without a heartbeat, an activity's worker counts as dead."""

ATTEMPT_MARGIN = timedelta(seconds=15)
"""How much longer the server waits than the attempt itself, so that the attempt reports its own timeout."""


@dataclass(frozen=True)
class ChannelOptions:
    """The settings of one channel's attempts. Durations are seconds."""

    retry_initial: float
    attempt_timeout: float


ALWAYS_DELIVERED = ("email", "telegram")
"""The channels on which every notification has a delivery, reachable or not: the flat record has columns for them, and
payloads of 0.3.0 name them. Their fields below are always filled, so that a worker of that release can finish what a
newer one began."""


@dataclass(frozen=True)
class SendOptions:
    """The settings that `SendNotificationWorkflow` needs. Durations are seconds."""

    queue_prefix: str
    email_retry_initial: float
    telegram_retry_initial: float
    email_attempt_timeout: float
    telegram_attempt_timeout: float
    api_url: str = ""
    """URL of the API in a browser. Empty: no links in the Web UI."""
    channels: dict[str, ChannelOptions] = field(default_factory=dict)
    """The options of the channels that have no fields above, by name."""
    waiting_searchable: bool = False
    """Whether a workflow that waits for a provider gets the search attribute `WaitingFor`."""

    @classmethod
    def of(
        cls,
        queue_prefix: str,
        channels: Mapping[str, ChannelOptions],
        api_url: str = "",
        *,
        waiting_searchable: bool = False,
    ) -> SendOptions:
        """Builds the options; `channels` has those of every channel, by name."""
        email, telegram = (channels[name] for name in ALWAYS_DELIVERED)
        return cls(
            queue_prefix,
            email_retry_initial=email.retry_initial,
            telegram_retry_initial=telegram.retry_initial,
            email_attempt_timeout=email.attempt_timeout,
            telegram_attempt_timeout=telegram.attempt_timeout,
            api_url=api_url,
            channels={name: options for name, options in channels.items() if name not in ALWAYS_DELIVERED},
            waiting_searchable=waiting_searchable,
        )

    def of_channel(self, name: str) -> ChannelOptions | None:
        """Returns the channel's options. None: the release that made them did not know the channel."""
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
    """None in a payload of 0.3.0: the only delivery on that channel."""
    channel: str
    fairness: Fairness = Fairness()


@dataclass(frozen=True)
class ReopenedDelivery:
    """A delivery that an operator has reopened."""

    delivery_id: int | None
    """None in a payload of a release without delivery ids."""
    channel: str

    def means(self, delivery: DeliveryToSend) -> bool:
        """Whether both are the same delivery. If one of them has no id, the channels are compared."""
        if None in (self.delivery_id, delivery.delivery_id):
            return self.channel == delivery.channel
        return self.delivery_id == delivery.delivery_id


@dataclass(frozen=True)
class DeliveryWaits:
    """Why a delivery waits for its next attempt; `reason` is a stable code."""

    delivery_id: int | None
    """None in a payload of a release without delivery ids."""
    channel: str
    reason: str
    until: datetime
    """When the next attempt comes, about."""
    attempts: int = 0
    """Attempts of the activity until now."""


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
        """Returns the deliveries in the order in which their activities are scheduled: e-mail and Telegram first, as
        in histories of 0.3.0."""
        if self.deliveries:
            return sorted(self.deliveries, key=lambda each: _rank(each.channel))
        fairness = (self.email_fairness, self.telegram_fairness)
        return [DeliveryToSend(None, *each) for each in zip(ALWAYS_DELIVERED, fairness, strict=True)]


@dataclass(frozen=True)
class DeliveryOutcome:
    """The recorded state of one delivery; `reason` is a stable code."""

    delivery_id: int
    channel: str
    status: DeliveryStatus
    reason: str | None = None


@dataclass(frozen=True)
class SendNotificationResult:
    """The recorded outcome of a notification and its deliveries."""

    status: NotificationStatus
    email: DeliveryStatus
    telegram: DeliveryStatus
    email_reason: str | None = None
    telegram_reason: str | None = None
    give_up_at: datetime | None = None
    """The deadline of what is still open; a reopened delivery may have a later one."""
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

    @classmethod
    def unrecorded(cls, known: Sequence[KnownDelivery]) -> SendNotificationResult:
        """Builds the result of a workflow that knows how its deliveries ended but could not record it."""
        ends = {each.result.status for each in known}
        status = NotificationStatus.UNDELIVERED
        if DeliveryStatus.ACCEPTED in ends:
            status = NotificationStatus.DELIVERED
        elif DeliveryStatus.UNKNOWN in ends:
            status = NotificationStatus.IN_DOUBT
        outcomes = [
            DeliveryOutcome(each.delivery_id or 0, each.channel, each.result.status, each.result.reason)
            for each in known
        ]
        return cls.of(status, outcomes)

    def known(self) -> list[KnownDelivery]:
        """Returns what an ended workflow knew about its deliveries."""
        if self.deliveries:
            return [
                KnownDelivery(each.delivery_id, each.channel, SendResult(each.status, each.reason))
                for each in self.deliveries
            ]
        results = (SendResult(self.email, self.email_reason), SendResult(self.telegram, self.telegram_reason))
        return [KnownDelivery(None, *each) for each in zip(ALWAYS_DELIVERED, results, strict=True)]


@dataclass(frozen=True)
class SendInput:
    """The input of one delivery's send activity."""

    notification_id: int
    give_up_at: datetime
    delivery_id: int | None = None
    """None: the only delivery on the activity's channel."""


@dataclass(frozen=True)
class Evidence:
    """The provider's answer without its text, which may name a person: its codes, and an id that looks like one.
    Payloads of releases up to 0.4.0 have the whole answer."""

    provider_id: str | None
    provider_reply: str


@dataclass(frozen=True)
class SendResult:
    """The result of a delivery, as far as the workflow knows it; `reason` is a stable code.

    `evidence` and `claim_seq` are set only if the attempt could not write the answer to the database.
    """

    status: DeliveryStatus
    reason: str | None = None
    evidence: Evidence | None = None
    claim_seq: int | None = None
    """The claim of the attempt that was refused."""


@dataclass(frozen=True)
class KnownDelivery:
    """What the workflow knows about one delivery."""

    delivery_id: int | None
    """None in a payload of 0.3.0: the only delivery on that channel."""
    channel: str
    result: SendResult


@dataclass(frozen=True)
class RecordOutcomeInput:
    notification_id: int
    email: SendResult
    telegram: SendResult
    at: datetime | None = None
    """The current time, if the workflow can continue with reopened deliveries. None: it ends after this record."""
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
        """Returns what the workflow knows about each delivery."""
        results = (self.email, self.telegram)
        return self.deliveries or [KnownDelivery(None, *each) for each in zip(ALWAYS_DELIVERED, results, strict=True)]


def _rank(channel: str) -> tuple[bool, int]:
    """Sorts the channels that payloads of 0.3.0 name before all others, which keep their order."""
    known = channel in ALWAYS_DELIVERED
    return (not known, ALWAYS_DELIVERED.index(channel) if known else 0)


def _on_channel(deliveries: Sequence[DeliveryOutcome], channel: str) -> DeliveryOutcome:
    """Returns the channel's first delivery, or a skipped one if it has none."""
    absent = DeliveryOutcome(0, channel, DeliveryStatus.SKIPPED, Reason.NOT_REQUESTED)
    return next((each for each in deliveries if each.channel == channel), absent)
