"""Sets the rate limits of the channels' task queues in the Temporal server, which enforces them over all workers.

Each channel has two queues that share its rate: a normal and an urgent one. A queue has one limit in total and one for
each fairness key, which the channel chooses.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Container, Iterable
from dataclasses import dataclass

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import RateLimit, TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, UpdateTaskQueueConfigRequest
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

    def is_like(self, other: QueueLimits) -> bool:
        """Whether both are the same, but for what the server's short floats cut off."""
        pairs = ((self.in_all, other.in_all), (self.for_each_key, other.for_each_key))
        return all(math.isclose(ours, theirs, rel_tol=1e-5, abs_tol=1e-9) for ours, theirs in pairs)


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


async def read(client: Client, name: str) -> QueueLimits | None:
    """Returns the limits that the server enforces on a queue. None: none was set. Raises `RPCError`."""
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=name),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
            report_config=True,
        )
    )
    config = described.config
    if not (config.HasField("queue_rate_limit") and config.HasField("fairness_keys_rate_limit_default")):
        return None
    in_all, for_each_key = config.queue_rate_limit, config.fairness_keys_rate_limit_default
    return QueueLimits(name, in_all.rate_limit.requests_per_second, for_each_key.rate_limit.requests_per_second)


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
