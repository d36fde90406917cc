"""The rate limits that the server has for a task queue."""

from __future__ import annotations

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client


async def limits_in_the_server(client: Client, queue: str) -> tuple[float, float]:
    """Returns tasks a second: in all, and for each fairness key."""
    description = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
            report_config=True,
        )
    )
    config = description.config
    return (
        round(config.queue_rate_limit.rate_limit.requests_per_second, 2),  # kept in single precision
        round(config.fairness_keys_rate_limit_default.rate_limit.requests_per_second, 2),
    )
