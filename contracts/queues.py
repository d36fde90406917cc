"""The names of task queues."""

from __future__ import annotations

WORKFLOWS = "workflows"
"""The queue of workflow tasks and the activities of the database. Every channel has one of its own, under its name."""


def task_queue(prefix: str, queue: str, *, urgent: bool = False) -> str:
    """The full name of a task queue; `prefix` separates deployments that share a namespace.

    What is `urgent` never waits behind a scan's thousands. A task queue and not a priority: on a queue with a limit
    for each fairness key, a limited key of a high priority holds back all lower ones.
    """
    return f"{prefix}{queue}-urgent" if urgent else f"{prefix}{queue}"


def task_queues(prefix: str, queue: str) -> list[str]:
    """The full names of all that a worker of `queue` serves: a channel's urgent one comes second."""
    urgent = [] if queue == WORKFLOWS else [task_queue(prefix, queue, urgent=True)]
    return [task_queue(prefix, queue), *urgent]
