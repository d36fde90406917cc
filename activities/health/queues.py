"""Checks the task queues: how much waits in each, for how long, and whether a worker polls it."""

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


async def look_at_queues(client: Client, settings: Settings) -> Findings:
    """Checks all task queues of the deployment."""
    backlogs = await read_backlogs(client, settings)
    return reduce(add, (judge(name, backlog, settings) for name, backlog in backlogs.items()), Findings())


async def read_backlogs(client: Client, settings: Settings) -> dict[str, Backlog]:
    """Reads what waits in all task queues of the deployment, by their names. Raises `RPCError`."""
    named = [(queue, name) for queue in all_queues() for name in task_queues(settings.task_queue_prefix, queue)]
    backlogs = await asyncio.gather(*(_read_backlog(client, queue, name) for queue, name in named))
    return {name: backlog for (_, name), backlog in zip(named, backlogs, strict=True)}


async def _read_backlog(client: Client, queue: str, name: str) -> Backlog:
    """Reads a queue's backlog, over both kinds of tasks if it has both."""
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


def judge(name: str, backlog: Backlog, settings: Settings) -> Findings:
    """Says whether more waits in a queue, or for longer, than the settings allow."""
    code = f"queue_backlog.{name}"
    oldest = backlog.oldest.total_seconds()
    if backlog.tasks <= settings.queue_backlog_limit and (backlog.tasks == 0 or oldest <= settings.queue_age_limit):
        return found([code])
    todo = (
        "Workers take them, but too slowly: check the workers' log, the rate limits and the host."
        if backlog.polled
        else "No worker has polled this queue recently: start one."
    )
    return found(
        [code],
        Problem(
            code,
            f"{backlog.tasks} tasks wait in the queue {name}",
            f"The oldest has waited for {oldest:.0f} s. QUEUE_BACKLOG_LIMIT is {settings.queue_backlog_limit} tasks, "
            f"QUEUE_AGE_LIMIT is {settings.queue_age_limit:g} s.\n{todo}\n",
        ),
    )
