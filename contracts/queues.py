"""The names of task queues."""

from __future__ import annotations

WORKFLOWS = "workflows"
"""The queue of workflow tasks and database activities. Each channel has a queue named after it."""


def task_queue(prefix: str, queue: str, *, urgent: bool = False) -> str:
    """Returns the full name of a task queue; `prefix` separates deployments that share a namespace.

    Urgent tasks have their own queue, so that they never wait behind thousands from a scan. A priority would not do: on
    a queue with a limit for each fairness key, a limited key of a high priority blocks all lower priorities.
    """
    return f"{prefix}{queue}-urgent" if urgent else f"{prefix}{queue}"


def task_queues(prefix: str, queue: str) -> list[str]:
    """Returns the full names of the queues that a worker of `queue` serves: a channel's urgent queue comes second."""
    urgent = [] if queue == WORKFLOWS else [task_queue(prefix, queue, urgent=True)]
    return [task_queue(prefix, queue), *urgent]
