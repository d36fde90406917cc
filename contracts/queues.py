"""Task queues, and whose turn a task is."""

from __future__ import annotations

from enum import StrEnum


class Channel(StrEnum):
    """A way to reach a company. Each has a task queue and a retry policy of its own."""

    EMAIL = "email"
    TELEGRAM = "telegram"


class TaskQueue(StrEnum):
    """The task queues, without the deployment's prefix."""

    WORKFLOWS = "workflows"
    """Workflow tasks and the database activities."""
    EMAIL = "email"
    """`send_email`. What is urgent (tests, alerts) has a queue of its own beside it."""
    TELEGRAM = "telegram"
    """`send_telegram`, likewise."""


def task_queue(prefix: str, queue: TaskQueue, *, urgent: bool = False) -> str:
    """The full name of a task queue; `prefix` separates deployments that share a namespace.

    What is `urgent` never waits behind a scan's thousands. A task queue and not a priority: on a queue with a limit
    for each fairness key, a limited key of a high priority holds back all lower ones.
    """
    return f"{prefix}{queue}-urgent" if urgent else f"{prefix}{queue}"


def task_queues(prefix: str, queue: TaskQueue) -> list[str]:
    """The full names of all that a worker of `queue` serves: a channel's urgent one comes second."""
    urgent = [] if queue is TaskQueue.WORKFLOWS else [task_queue(prefix, queue, urgent=True)]
    return [task_queue(prefix, queue), *urgent]
