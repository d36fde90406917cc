"""Makes counters before anything is counted: Prometheus sees an increase only from a value that it has scraped before,
and so would miss the first failure after a start."""

from __future__ import annotations

from collections.abc import Sequence

from temporalio.client import Client
from temporalio.common import MetricMeter

from activities.metrics import ATTEMPTS, ENDED, OPENED, Attempted, meter_of
from activities.reason_classes import ReasonClass
from channels.registry import channels, find_channel
from contracts.keys import NotificationType
from contracts.queues import WORKFLOWS, task_queues
from contracts.sending import DeliveryStatus

_BY_ATTEMPTS = (
    (DeliveryStatus.ACCEPTED, ReasonClass.NONE),
    (DeliveryStatus.REJECTED, ReasonClass.RECIPIENT),
)
_BY_RECORD = (
    (DeliveryStatus.FAILED, ReasonClass.DEADLINE),
    (DeliveryStatus.FAILED, ReasonClass.INTERNAL),
    (DeliveryStatus.FAILED, ReasonClass.PROVIDER),
    (DeliveryStatus.UNKNOWN, ReasonClass.PROVIDER),
)


def start_at_zero(client: Client, prefix: str, queues: Sequence[str]) -> None:
    """Makes the counters of a worker that serves these queues, with the labels that its activities give them."""
    meter = meter_of(client)
    for queue in queues:
        for name in task_queues(prefix, queue):
            of_queue = meter.with_additional_attributes({"namespace": client.namespace, "task_queue": name})
            if channel := find_channel(queue):
                _start_channel(_of_activity(of_queue, channel.plan.activity), channel.name)
            elif queue == WORKFLOWS:
                _start_workflows(of_queue)


def _start_channel(meter: MetricMeter, channel: str) -> None:
    for outcome in Attempted:
        ATTEMPTS.add(meter, 0, channel=channel, outcome=outcome.value)
    for status, why in _BY_ATTEMPTS:
        ENDED.add(meter, 0, channel=channel, outcome=status.value, reason_class=why.value)


def _start_workflows(meter: MetricMeter) -> None:
    for activity, notification_type in (
        ("open_due_notifications", NotificationType.EXPIRING),
        ("deactivate_ended", NotificationType.EXPIRED),
        ("check_health", NotificationType.ALERT),
    ):
        OPENED.add(_of_activity(meter, activity), 0, notification_type=notification_type.value)
    for channel in channels():
        for status, why in _BY_RECORD:
            of_record = _of_activity(meter, "record_outcome")
            ENDED.add(of_record, 0, channel=channel.name, outcome=status.value, reason_class=why.value)


def _of_activity(meter: MetricMeter, activity: str) -> MetricMeter:
    return meter.with_additional_attributes({"activity_type": activity})
