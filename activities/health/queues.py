"""The task queues: how much waits in each, how long the oldest has waited, and whether anybody takes it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from operator import add

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.client import Client

from activities.health import pollers
from activities.health.findings import Findings, Problem, found
from channels.registry import all_queues
from contracts.queues import WORKFLOWS, task_queues
from settings import Settings

RPC_TIMEOUT = timedelta(seconds=10)


@dataclass(frozen=True)
class Backlog:
    """What waits in a task queue."""

    tasks: int
    oldest: timedelta
    polled: bool

    def __or__(self, other: Backlog) -> Backlog:
        return Backlog(self.tasks + other.tasks, max(self.oldest, other.oldest), self.polled and other.polled)


async def queues(client: Client, settings: Settings) -> Findings:
    """Looks at all task queues of the deployment."""
    named = [(queue, name) for queue in all_queues() for name in task_queues(settings.task_queue_prefix, queue)]
    backlogs = await asyncio.gather(*(_backlog(client, queue, name) for queue, name in named))
    each = (_judged(name, backlog, settings) for (_, name), backlog in zip(named, backlogs, strict=True))
    return reduce(add, each, Findings())


async def _backlog(client: Client, queue: str, name: str) -> Backlog:
    """Both kinds of tasks together, of a queue that holds both."""
    kinds = [pollers.ACTIVITY]
    if queue == WORKFLOWS:
        kinds.append(pollers.WORKFLOW)
    first, *rest = await asyncio.gather(*(_of_kind(client, name, kind) for kind in kinds))
    return reduce(Backlog.__or__, rest, first)


async def _of_kind(client: Client, name: str, kind: TaskQueueType.ValueType) -> Backlog:
    answer = await pollers.look_at(client, name, kind, report_stats=True, rpc_timeout=RPC_TIMEOUT)
    return Backlog(
        answer.stats.approximate_backlog_count,
        answer.stats.approximate_backlog_age.ToTimedelta(),
        bool(pollers.recent(answer.pollers)),
    )


def _judged(name: str, backlog: Backlog, settings: Settings) -> Findings:
    code = f"queue_backlog.{name}"
    oldest = backlog.oldest.total_seconds()
    if backlog.tasks <= settings.queue_backlog_limit and (backlog.tasks == 0 or oldest <= settings.queue_age_limit):
        return found([code])
    todo = (
        "Workers take them, though not fast enough: look at their log, at the rate limits and at the host."
        if backlog.polled
        else "Nobody takes them: no worker has polled this queue lately. Start one."
    )
    return found(
        [code],
        Problem(
            code,
            f"{backlog.tasks} tasks wait in the queue {name}",
            f"The oldest has waited for {oldest:.0f} s. QUEUE_BACKLOG_LIMIT is {settings.queue_backlog_limit}, "
            f"QUEUE_AGE_LIMIT {settings.queue_age_limit:g} s.\n{todo}\n",
        ),
    )
