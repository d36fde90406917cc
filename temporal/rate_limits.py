"""The limits of the channels' task queues, held by the Temporal server for all workers together.

Each channel has two queues: one for what a scan opens, one for what is urgent, with a share of the budget. A queue
has a limit in all and one for each fairness key, which the channel chooses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
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


def queue_limits(settings: Settings, queues: Iterable[str]) -> list[QueueLimits]:
    """The limits of those of the queues that are a channel's, their urgent ones included."""
    shares = (1 - settings.urgent_share, settings.urgent_share)
    limits: list[QueueLimits] = []
    for channel in filter(None, map(find_channel, queues)):
        of_channel = channel.limits(settings)
        names = task_queues(settings.task_queue_prefix, channel.name)
        limits += [
            QueueLimits(name, of_channel.in_all * share, of_channel.for_each_key)
            for name, share in zip(names, shares, strict=True)
        ]
    return limits


async def apply(client: Client, settings: Settings, queues: Iterable[str]) -> None:
    """Sets the limits in the server. May run at any time, from several workers: the last settings hold."""
    await asyncio.gather(*(_set(client, limits) for limits in queue_limits(settings, queues)))


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
