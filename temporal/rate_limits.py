"""Sets the rate limits of the channels' task queues in the Temporal server, which enforces them over all workers.

Each channel has two queues that share its rate: a normal and an urgent one. A queue has one limit in total and one for
each fairness key, which the channel chooses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterable
from dataclasses import dataclass

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import RateLimit
from temporalio.api.workflowservice.v1 import UpdateTaskQueueConfigRequest
from temporalio.client import Client

from channels.registry import find_channel
from contracts.queues import task_queues
from settings import Settings

REASON = "set from the settings"


@dataclass(frozen=True)
class QueueLimits:
    """A task queue's limits, in tasks a second."""

    name: str
    in_all: float
    for_each_key: float


def queue_limits(settings: Settings, queues: Iterable[str], stopped: Container[str] = ()) -> list[QueueLimits]:
    """Returns the limits of the channels among the queues, with their urgent queues. A channel that is stopped has a
    rate of 0."""
    shares = (1 - settings.urgent_share, settings.urgent_share)
    limits: list[QueueLimits] = []
    for channel in filter(None, map(find_channel, queues)):
        of_channel = channel.limits(settings)
        names = task_queues(settings.task_queue_prefix, channel.name)
        in_all = 0.0 if channel.name in stopped else of_channel.in_all
        limits += [
            QueueLimits(name, in_all * share, of_channel.for_each_key)
            for name, share in zip(names, shares, strict=True)
        ]
    return limits


async def apply(client: Client, settings: Settings, queues: Iterable[str], stopped: Container[str] = ()) -> None:
    """Sets the limits in the server. May run at any time and in several workers: the last call wins."""
    await asyncio.gather(*(_set(client, limits) for limits in queue_limits(settings, queues, stopped)))


async def _set(client: Client, limits: QueueLimits) -> None:
    def update(rate: float) -> UpdateTaskQueueConfigRequest.RateLimitUpdate:
        return UpdateTaskQueueConfigRequest.RateLimitUpdate(
            rate_limit=RateLimit(requests_per_second=rate), reason=REASON
        )

    await client.workflow_service.update_task_queue_config(
        UpdateTaskQueueConfigRequest(
            namespace=client.namespace,
            identity=client.identity,
            task_queue=limits.name,
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
            update_queue_rate_limit=update(limits.in_all),
            update_fairness_key_rate_limit_default=update(limits.for_each_key),
        )
    )
