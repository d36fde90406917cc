"""The payloads of the scan and of the workflows that start open notifications."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from contracts.keys import NotificationType, is_urgent
from contracts.sending import (
    ALWAYS_DELIVERED,
    DeliveryToSend,
    Fairness,
    ReopenedDelivery,
    SendNotificationInput,
    SendOptions,
)


@dataclass(frozen=True)
class PageCursor:
    """The last item of a page, in the order of the scan."""

    ends_at: datetime
    project_id: int
    ar_content_id: int = 0
    """0: the project itself."""


@dataclass(frozen=True)
class OpenDueInput:
    scan_at: datetime
    """The nominal time of the scan. The cooldown counts between nominal times."""
    page_size: int
    after: PageCursor | None = None
    allow_many: bool = False
    """An operator allows more than SCAN_MAX_NOTICES."""
    found_before: int = 0
    """Items found by the previous pages. An import meanwhile may make more due than the first page counted."""


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
    """`started` is what the caller has started since the last call. It is recorded first."""

    started: list[int]
    limit: int


class ReopenedSignal(NamedTuple):
    """A signal of `SendNotificationWorkflow`."""

    name: Literal["reopened", "delivery_reopened"]
    argument: str | ReopenedDelivery


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
    telegram_fairness: Fairness = field(default_factory=Fairness)
    ar_content_id: int | None = None
    again: bool = False
    """Its previous workflow has ended or is lost, and an operator or the recovery starts it again."""
    reopened: list[str] = field(default_factory=list)
    """Channels that an operator has reopened. For payloads of 0.3.0, which have no delivery ids."""
    deliveries: list[DeliveryToSend] = field(default_factory=list)
    reopened_deliveries: list[int] = field(default_factory=list)
    """Ids of deliveries that an operator has reopened."""
    company_slug: str | None = None
    project_slug: str | None = None
    content_slug: str | None = None
    """Of the AR content with `ar_content_id`."""

    def to_reopen(self) -> list[ReopenedDelivery]:
        """Returns the signals for a workflow that is already running."""
        if not self.reopened_deliveries:
            return [ReopenedDelivery(None, channel) for channel in self.reopened]
        channels = {each.delivery_id: each.channel for each in self.deliveries}
        return [ReopenedDelivery(each, channels.get(each, "")) for each in self.reopened_deliveries]

    def signal_of(self, reopened: ReopenedDelivery) -> ReopenedSignal:
        """How the running workflow is told. Where the channel alone says which delivery is meant, as 0.3.0 says it: a
        worker of that release does not know the other signal, and cannot go on with a history in which one was obeyed.
        """
        on_channel = [each for each in self.deliveries if each.channel == reopened.channel]
        if reopened.channel in ALWAYS_DELIVERED and len(on_channel) <= 1:
            return ReopenedSignal("reopened", reopened.channel)
        return ReopenedSignal("delivery_reopened", reopened)

    def send_input(self, options: SendOptions) -> SendNotificationInput:
        """Returns the input of the notification's workflow."""
        fairness = {each.channel: each.fairness for each in self.deliveries}
        email, telegram = ALWAYS_DELIVERED
        return SendNotificationInput(
            self.notification_id,
            self.give_up_at,
            options,
            urgent=is_urgent(self.notification_type),
            email_fairness=fairness.get(email, Fairness(str(self.company_id or ""))),
            telegram_fairness=fairness.get(telegram, self.telegram_fairness),
            deliveries=self.deliveries,
        )


@dataclass(frozen=True)
class TakeStartableResult:
    notifications: list[StartableNotification]
    waiting: int
    """How many more are open. If `notifications` is empty, they wait for room."""
    next_start_at: datetime | None = None
    """When the first quiet hours end that hold a notification. `waiting` does not count held ones."""


@dataclass(frozen=True)
class RecoverLostInput:
    """`after` is the last notification of the previous call."""

    after: int = 0
    limit: int = 1000


@dataclass(frozen=True)
class RecoverLostResult:
    restarted: int
    """Notifications to start again, because their workflow is lost."""
    settled: int
    """Notifications whose workflow had ended without a record; it is recorded now."""
    next_after: int | None
    """None: this was the last page."""


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
    """Ids of notifications that are started but not recorded as such yet."""
    recovered: int = 0
    too_many: bool = False

    @property
    def all_paged(self) -> bool:
        """No page is left to take."""
        return self.all_opened


@dataclass(frozen=True)
class ScanExpiringInput:
    options: SendOptions
    page_size: int = 1000
    batch_size: int = 500
    """Most children that one run starts."""
    pages_per_run: int = 100
    progress: ScanProgress | None = None
    """None: the scan begins."""
    allow_many: bool = False
    """More than SCAN_MAX_NOTICES may be opened."""


@dataclass(frozen=True)
class ScanExpiringResult:
    """`started` may exceed `opened`: notifications that were already open are started too."""

    found: int
    opened: int
    started: int
    recovered: int = 0
    """Open notifications that had lost their workflow and were restarted or settled."""
    too_many: bool = False
    """`found` exceeds SCAN_MAX_NOTICES, so nothing was opened."""


@dataclass(frozen=True)
class StartHeldInput:
    """The input of `StartHeldWorkflow`, and of its signal."""

    options: SendOptions
    wake_at: datetime
    """When the first quiet hours end that hold a notification."""
    batch_size: int = 500
    """Most children that one run starts."""
    just_started: list[int] = field(default_factory=list)
    """Ids of notifications that are started but not recorded as such yet."""
    started: int = 0
    """Children started over all runs."""


@dataclass(frozen=True)
class StartHeldResult:
    started: int
