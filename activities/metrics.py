"""Every metric of this application. docs/monitoring.md explains them, and a test compares the two.

No label holds a company, an address or a text: each has few values, however long the application runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from temporalio import activity
from temporalio.client import Client
from temporalio.common import MetricMeter
from temporalio.runtime import Runtime

from activities.reason_classes import reason_class
from channels.registry import find_channel
from contracts.sending import DeliveryOutcome
from runtime.listening import ListenError
from runtime.metrics import Counter, Durations, Gauge, Metric, Sizes, start_exporter
from settings import SettingsError

MINUTE, HOUR, DAY = 60, 3600, 86_400


class Attempted(StrEnum):
    """How an attempt ended."""

    ACCEPTED = "accepted"
    """The provider took the message."""
    REJECTED = "rejected"
    """The provider refused it for good."""
    PUT_OFF = "put_off"
    """Nothing was handed over; it is tried again."""
    REFUSED_US = "refused_us"
    """The provider refuses this installation; it is tried again."""
    IN_DOUBT = "in_doubt"
    """The provider's answer was lost."""
    HELD = "held"
    """Quiet hours or a pause: nothing was claimed."""
    NOT_WANTED = "not_wanted"
    """The claim found that nothing is to be sent, or that the delivery has ended."""
    DATABASE = "database"
    """The database did not answer, or refused a statement."""
    INTERNAL = "internal"
    """An error of this application."""


OPENED = Counter("expiry_notifications_opened_total", "Notifications opened", ("notification_type",))
ATTEMPTS = Counter("expiry_delivery_attempts_total", "Attempts to send, by how they ended", ("channel", "outcome"))
ENDED = Counter(
    "expiry_deliveries_ended_total",
    "Deliveries that ended, by how and why; one that an operator reopens counts again",
    ("channel", "outcome", "reason_class"),
)
ACCEPTED_AFTER = Durations(
    "expiry_accepted_after_seconds",
    "Time from a notification's opening, when it is due, to the provider's acceptance",
    ("channel", "notification_type"),
    (1, 5, 15, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR, 12 * HOUR, DAY, 3 * DAY, 7 * DAY),
)
PAGE_ITEMS = Sizes(
    "expiry_page_items",
    "Items in a page of a scan or a deactivation",
    ("page",),
    (0, 1, 10, 50, 100, 250, 500, 1000, 2500, 5000),
)
API_REQUESTS = Durations(
    "expiry_api_request_duration_seconds",
    "Time to answer a request of the API, by route, method and status",
    ("route", "method", "status"),
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
WAITING = Gauge("expiry_deliveries_waiting", "Deliveries that wait, by what they wait for", ("channel", "cause"))
IN_DOUBT = Gauge("expiry_deliveries_in_doubt", "Deliveries in doubt, until an operator resolves them", ("channel",))
PROBLEMS = Gauge("expiry_problems_open", "Problems that last, by the first part of their code", ("problem",))
SCAN_LAG = Gauge(
    "expiry_scan_lag_seconds",
    "For how long the last scheduled run has been due without one that completed; 0: it has completed",
    ("schedule",),
)
STATE_READER = Gauge("expiry_state_reader", "1 in the process that reads the state of the database, else 0")
STATE_READ_AT = Gauge("expiry_state_read_timestamp_seconds", "When this process last read the state of the database")

ALL: tuple[Metric, ...] = (
    OPENED,
    ATTEMPTS,
    ENDED,
    ACCEPTED_AFTER,
    PAGE_ITEMS,
    API_REQUESTS,
    WAITING,
    IN_DOUBT,
    PROBLEMS,
    SCAN_LAG,
    STATE_READER,
    STATE_READ_AT,
)


def start_metrics(setting: str, address: str | None) -> Runtime | None:
    """Starts the process's exporter. Returns the runtime that its client must use; None: the default one.

    Raises `SettingsError`, which names the setting, if nothing can listen there.
    """
    if address is None:
        return None
    try:
        return start_exporter(address, ALL)
    except ListenError as error:
        raise SettingsError(f"{setting}: {error}") from None


def meter_of(client: Client) -> MetricMeter:
    """Returns the meter of the client's process. It does nothing if the process exports no metrics."""
    runtime = client.service_client.config.runtime
    return MetricMeter.noop if runtime is None else runtime.metric_meter


def meter_here() -> MetricMeter:
    """Returns the meter of the running activity, which adds its type and task queue. Outside of activities it does
    nothing."""
    return activity.metric_meter() if activity.in_activity() else MetricMeter.noop


def channel_label(name: str) -> str:
    """Returns the value of the label `channel`: the database may hold a name that this release does not know."""
    channel = find_channel(name)
    return channel.name if channel else "unknown"


def count_ended(meter: MetricMeter, ended: Sequence[DeliveryOutcome]) -> None:
    """Counts deliveries that have just ended."""
    for each in ended:
        ENDED.add(
            meter,
            channel=channel_label(each.channel),
            outcome=each.status.value,
            reason_class=reason_class(each.status, each.reason).value,
        )
