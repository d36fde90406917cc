"""What the scan, and whoever starts what stands open, hands to its steps and to its next run."""

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
    """It had a workflow before, of which nothing is left or which has ended: an operator or the recovery wants one."""
    reopened: list[str] = field(default_factory=list)
    """Channels that an operator wants tried again: in payloads of 0.3.0, which know no ids."""
    deliveries: list[DeliveryToSend] = field(default_factory=list)
    reopened_deliveries: list[int] = field(default_factory=list)
    """Ids of deliveries that an operator wants tried again."""

    def to_reopen(self) -> list[ReopenedDelivery]:
        """What a workflow that runs already is told."""
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
        """What its workflow starts with, whoever starts it."""
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

    @property
    def all_paged(self) -> bool:
        """No page is left to take."""
        return self.all_opened


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
