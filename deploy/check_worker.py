"""Checks with Temporal that the worker on this host takes tasks: `python -m deploy.check_worker`.

The health check of the worker's container. It fails for a worker that lost Temporal or whose pollers stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import PollerInfo
from temporalio.api.taskqueue.v1 import TaskQueue as QueueName
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from contracts.queues import TaskQueue, task_queues
from runtime import leaving
from settings import Settings, SettingsError
from temporal.client import connect

RECENT = timedelta(minutes=3)
"""A poll takes a minute at most. A busy worker polls less often, so this is longer."""
PATIENCE = 10.0
"""Seconds for the whole check."""


async def silent_queues(client: Client, prefix: str, queues: Iterable[TaskQueue], host: str) -> list[str]:
    """The full names of the queues that no worker on `host` has polled recently."""
    since = datetime.now(UTC) - RECENT
    names = [(name, _polled_for(queue)) for queue in queues for name in task_queues(prefix, queue)]
    pollers = await asyncio.gather(*(_pollers(client, name, kind) for name, kind in names))
    return [
        name
        for (name, _), polls in zip(names, pollers, strict=True)
        if not any(_is_on(host, poll) and poll.last_access_time.ToDatetime(UTC) > since for poll in polls)
    ]


def _polled_for(queue: TaskQueue) -> TaskQueueType.ValueType:
    if queue is TaskQueue.WORKFLOWS:
        return TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
    return TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY


def _is_on(host: str, poll: PollerInfo) -> bool:
    # The SDK's default identity is pid@host.
    return poll.identity.endswith(f"@{host}")


async def _pollers(client: Client, name: str, kind: TaskQueueType.ValueType) -> Sequence[PollerInfo]:
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(namespace=client.namespace, task_queue=QueueName(name=name), task_queue_type=kind)
    )
    return answer.pollers


async def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 if this host polls all queues, 1 if not or if Temporal is away, 2 for a wrong setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--queues",
        type=lambda value: [TaskQueue(name) for name in value.split(",")],
        default=list(TaskQueue),
        help="the queues that the worker serves (default: all)",
    )
    options = parser.parse_args(arguments)
    try:
        prefix = Settings.load().task_queue_prefix
    except SettingsError as error:
        sys.stderr.write(f"check_worker: {error}\n")
        return 2
    try:
        async with asyncio.timeout(PATIENCE):
            silent = await silent_queues(await connect(), prefix, options.queues, socket.gethostname())
    except Exception as error:
        sys.stderr.write(f"Temporal is away: {type(error).__name__}: {error}\n")
        return 1
    for name in silent:
        sys.stderr.write(f"{name}: not polled from this host for {RECENT.total_seconds():.0f} s\n")
    return 1 if silent else 0


if __name__ == "__main__":
    leaving.run(main)
