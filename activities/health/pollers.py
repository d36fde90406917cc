"""One look at a task queue: who polls it, and what waits in it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeTaskQueueResponse
from temporalio.client import Client

ACTIVITY = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
WORKFLOW = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW

RECENT = timedelta(minutes=3)
"""A poll waits for a minute at most. A worker whose slots are all taken polls less: it has a little longer."""


async def look_at(
    client: Client,
    name: str,
    kind: TaskQueueType.ValueType,
    *,
    report_stats: bool = False,
    rpc_timeout: timedelta | None = None,
) -> DescribeTaskQueueResponse:
    """The queue's pollers, and with `report_stats` its backlog. Raises `RPCError`."""
    return await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=name),
            task_queue_type=kind,
            report_stats=report_stats,
        ),
        timeout=rpc_timeout,
    )


def recent(pollers: Iterable[PollerInfo], within: timedelta = RECENT) -> list[PollerInfo]:
    """Those that have polled within this time."""
    since = datetime.now(UTC) - within
    return [poller for poller in pollers if poller.last_access_time.ToDatetime(UTC) > since]
