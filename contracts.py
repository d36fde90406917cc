"""What crosses a workflow boundary: ids, counts, enums. Standard library only.

Histories are kept for months and shown in the Web UI, so nothing here may carry a recipient, a text or
a secret. Every payload is a frozen dataclass; a field added later has a default, so that histories
recorded before it still decode.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID


class NotificationType(StrEnum):
    """Why a company is told something."""

    EXPIRING = "expiring"
    EXPIRED = "expired"
    TEST = "test"
    ALERT = "alert"


class Channel(StrEnum):
    """A way to reach a company. Each has a task queue and a retry policy of its own."""

    EMAIL = "email"
    TELEGRAM = "telegram"


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


class TaskQueue(StrEnum):
    """The task queues, without the deployment's prefix."""

    WORKFLOWS = "workflows"
    """Workflow tasks and the database activities."""
    EMAIL = "email"
    """`send_email`. What is urgent (tests, alerts) has a queue of its own beside it."""
    TELEGRAM = "telegram"
    """`send_telegram`, likewise."""


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


def item_name(project_id: int, ar_content_id: int | None = None) -> str:
    """How keys name what ends: `project-<id>`, or `content-<id>` for AR content with an end of its own."""
    return f"project-{project_id}" if ar_content_id is None else f"content-{ar_content_id}"


def notification_key(
    notification_type: NotificationType, item: str, ends_at: datetime, threshold_days: int | None = None
) -> str:
    """The name of one notice: unique key in the database, workflow ID, stem of the e-mail's Message-ID.

    `item` is an `item_name`, `ends_at` any aware time, e.g. `expiring.project-42.20261201T000000Z.7d`; without a
    threshold `expired.project-42.20261201T000000Z`. The form is fixed: with another one everybody would be told again.
    """
    if ends_at.tzinfo is None:
        raise ValueError(f"ends_at needs a time zone: {ends_at.isoformat()}")
    key = f"{notification_type}.{item}.{ends_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    return key if threshold_days is None else f"{key}.{threshold_days}d"


def key_of_test(request_id: UUID) -> str:
    """The key of a notice somebody asked for; `request_id` makes it unique."""
    return f"{NotificationType.TEST}.{request_id.hex}"


def key_of_alert(problem: str, raised_at: datetime) -> str:
    """The key of an alert; `problem` is a stable code. To the microsecond: what is raised, over and raised again within
    a second is three alerts."""
    return f"{NotificationType.ALERT}.{problem}.{raised_at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"


_GIVE_UP_AFTER = {
    NotificationType.EXPIRED: timedelta(days=7),
    NotificationType.TEST: timedelta(minutes=15),
    NotificationType.ALERT: timedelta(days=1),
}


def give_up_at(
    notification_type: NotificationType, now: datetime, item_ends_at: datetime | None, limit: float | None
) -> datetime:
    """When a notice that is opened or sent again `now` becomes pointless: a warning at its item's end.

    `limit` is GIVE_UP_AFTER in seconds, which shortens all of them.
    """
    after = _GIVE_UP_AFTER.get(notification_type)
    end = item_ends_at if after is None and item_ends_at is not None else now + (after or timedelta(0))
    return end if limit is None else min(end, now + timedelta(seconds=limit))


def task_queue(prefix: str, queue: TaskQueue, *, urgent: bool = False) -> str:
    """The full name of a task queue; `prefix` separates deployments that share a namespace.

    What is `urgent` never waits behind a scan's thousands. A task queue and not a priority: on a queue with a limit
    for each fairness key, a limited key of a high priority holds back all lower ones.
    """
    return f"{prefix}{queue}-urgent" if urgent else f"{prefix}{queue}"


def task_queues(prefix: str, queue: TaskQueue) -> list[str]:
    """The full names of all that a worker of `queue` serves: a channel's urgent one comes second."""
    urgent = [] if queue is TaskQueue.WORKFLOWS else [task_queue(prefix, queue, urgent=True)]
    return [task_queue(prefix, queue), *urgent]


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
class PageCursor:
    """The last item a page looked at, in the order of the scan."""

    ends_at: datetime
    project_id: int
    ar_content_id: int = 0
    """0: the project itself."""


@dataclass(frozen=True)
class OpenDueInput:
    scan_at: datetime
    """The nominal time of the scan; the cooldown counts between nominal times."""
    page_size: int
    after: PageCursor | None = None
    allow_many: bool = False
    """An operator has seen that it is more than SCAN_MAX_NOTICES and means it."""
    found_before: int = 0
    """By the pages before: an import meanwhile may have made more due than the first page counted."""


@dataclass(frozen=True)
class OpenDueResult:
    found: int
    opened: int
    next_page: PageCursor | None
    """None: this was the last page."""
    too_many: bool = False
    """More than SCAN_MAX_NOTICES: this page opened nothing, and the operators were alerted."""


@dataclass(frozen=True)
class TakeStartableInput:
    """`started` is what the caller has started since the last call; it is written down first."""

    started: list[int]
    limit: int


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


@dataclass(frozen=True)
class TakeStartableResult:
    notifications: list[StartableNotification]
    waiting: int
    """How many more stand open; with an empty list they wait for room."""
    next_start_at: datetime | None = None
    """When the first quiet time ends that holds others back, which `waiting` does not count."""


@dataclass(frozen=True)
class RecoverLostInput:
    """`after` is the last notification that the call before looked at."""

    after: int = 0
    limit: int = 1000


@dataclass(frozen=True)
class RecoverLostResult:
    restarted: int
    """Notifications to be started again, since nothing is left of their workflows."""
    settled: int
    """Those whose workflow had ended without a record: its result says how, or an operator meant it."""
    next_after: int | None
    """None: all were looked at."""


@dataclass(frozen=True)
class ScanProgress:
    """How far a scan has come; one run hands it to the next."""

    scan_at: datetime
    next_page: PageCursor | None = None
    all_opened: bool = False
    found: int = 0
    opened: int = 0
    started: int = 0
    just_started: list[int] = field(default_factory=list)
    """Started and not written down as such yet."""
    recovered: int = 0
    too_many: bool = False


@dataclass(frozen=True)
class ScanExpiringInput:
    options: SendOptions
    page_size: int = 1000
    batch_size: int = 500
    """Children that one run starts, at the most."""
    pages_per_run: int = 100
    progress: ScanProgress | None = None
    """None: the scan begins."""
    allow_many: bool = False
    """More than SCAN_MAX_NOTICES may be opened."""


@dataclass(frozen=True)
class ScanExpiringResult:
    """`started` may exceed `opened`: what an earlier scan left open is started too."""

    found: int
    opened: int
    started: int
    recovered: int = 0
    """Open notifications that had lost their workflow: started again, or settled."""
    too_many: bool = False
    """`found` is more than SCAN_MAX_NOTICES, so that nothing was opened."""


@dataclass(frozen=True)
class StartHeldInput:
    """What `StartHeldWorkflow` starts with, and what it is told by signal while it runs."""

    options: SendOptions
    wake_at: datetime
    """When the first quiet time ends that holds something back."""
    batch_size: int = 500
    """Children that one run starts, at the most."""
    just_started: list[int] = field(default_factory=list)
    """Started and not written down as such yet."""
    started: int = 0
    """Over all runs."""


@dataclass(frozen=True)
class StartHeldResult:
    started: int


@dataclass(frozen=True)
class DeactivateEndedInput:
    page_size: int
    first_page: bool = True
    """It counts what has ended, and looks at the projects that renew themselves."""
    allow_many: bool = False
    """An operator has seen that it is more than SCAN_MAX_NOTICES and means it."""
    found_before: int = 0
    """By the pages before."""


@dataclass(frozen=True)
class DeactivateEndedResult:
    """What one page switched off; AR content that went with its project counts."""

    found: int
    projects: int
    contents: int
    opened: int
    """Notices that say so."""
    more: bool
    """Another page may follow."""
    too_many: bool = False
    """More than SCAN_MAX_NOTICES: this page switched nothing off, and the operators were alerted."""


@dataclass(frozen=True)
class DeactivationProgress:
    """How far a deactivation has come; one run hands it to the next."""

    first_page: bool = True
    all_off: bool = False
    found: int = 0
    projects: int = 0
    contents: int = 0
    opened: int = 0
    started: int = 0
    just_started: list[int] = field(default_factory=list)
    """Started and not written down as such yet."""
    too_many: bool = False


@dataclass(frozen=True)
class DeactivateExpiredInput:
    options: SendOptions
    page_size: int = 1000
    batch_size: int = 500
    """Children that one run starts, at the most."""
    pages_per_run: int = 100
    progress: DeactivationProgress | None = None
    """None: it begins."""
    allow_many: bool = False
    """More than SCAN_MAX_NOTICES may be switched off."""


@dataclass(frozen=True)
class DeactivateExpiredResult:
    """`started` may exceed `opened`: whatever else stood open is started too."""

    found: int
    """Items that had ended and were not held."""
    projects: int
    contents: int
    """Switched off at their own end or with their project."""
    opened: int
    started: int
    too_many: bool = False
    """`found` is more than SCAN_MAX_NOTICES, so that nothing was switched off."""


@dataclass(frozen=True)
class Outage:
    """The database does not answer. Nothing of it can be recorded there, so the workflow keeps it."""

    since: datetime
    """When it was first found."""
    alerted_at: datetime | None = None
    """When an alert last reached the operators without the record."""


@dataclass(frozen=True)
class CheckHealthInput:
    """Durations are seconds."""

    interval: float
    """Between two looks at a database that is away."""
    alert_cooldown: float
    ping: bool = False
    """A watch outside waits to hear of every check that found nothing wrong."""
    once: bool = False
    """Somebody waits for the result: one look, also with the database away."""
    looks_per_run: int = 100
    """At a database that is away."""
    outage: Outage | None = None
    """One run hands it to the next."""


@dataclass(frozen=True)
class HealthReport:
    """What one check found, by the problems' stable codes."""

    problems: list[str]
    raised: list[str] = field(default_factory=list)
    """Of these the operators were alerted now; of the others lately."""
    over: list[str] = field(default_factory=list)
    """Alerted of before, and not found any more."""
    database_away: bool = False
    """Then nothing was recorded and nobody alerted."""


@dataclass(frozen=True)
class DirectAlert:
    """An alert without a record, over one channel."""

    channel: Channel
    since: datetime
    at: datetime
    problems: list[str]


@dataclass(frozen=True)
class OutageOver:
    since: datetime
    until: datetime
