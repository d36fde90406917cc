"""Compares this machine's clock with those of the servers. Deadlines, quiet hours and leases rely on them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from activities.health import pollers
from commands.doctor.installation import Away, Installation
from commands.doctor.result import Result, failed, not_checked, ok, warning
from db.server import read_clock

WARNED_FROM = timedelta(seconds=2)
FAILED_FROM = timedelta(seconds=30)
_POLLED_FOR = timedelta(seconds=3)


async def look_at_clocks(installation: Installation) -> Result:
    """Asks PostgreSQL and Temporal for the time."""
    skews: dict[str, timedelta] = {}
    reasons: list[str] = []
    for name, ask in (("PostgreSQL", _of_database), ("Temporal", _of_temporal)):
        try:
            skews[name] = await ask(installation)
        except Away as away:
            reasons.append(str(away))
        except RPCError as error:
            reasons.append(f"Temporal does not let this client poll: {error.status.name.lower()}")
    details = {name: round(skew.total_seconds(), 3) for name, skew in skews.items()}
    says = ", ".join([*(f"{name} {_in_words(skew)}" for name, skew in skews.items()), *reasons])
    if not skews:
        return not_checked(f"{says}.")
    worst = max(map(abs, skews.values()))
    todo = "Synchronise the clocks of all machines with NTP: see `timedatectl`."
    if worst >= FAILED_FROM:
        return failed(says, todo, **details)
    if worst >= WARNED_FROM:
        return warning(says, todo, **details)
    return ok(says, **details)


def distance(there: datetime, before: datetime, after: datetime) -> timedelta:
    """Returns how far a clock is ahead of ours, at least: it was read between `before` and `after` of ours."""
    if there < before:
        return there - before
    return max(there - after, timedelta(0))


def _in_words(skew: timedelta) -> str:
    if abs(skew) < timedelta(milliseconds=100):
        return "agrees with this machine"
    return f"is {abs(skew).total_seconds():.1f} s {'ahead' if skew > timedelta(0) else 'behind'}"


async def _of_database(installation: Installation) -> timedelta:
    async with installation.connection() as connection:
        before = datetime.now(UTC)
        there = await read_clock(connection)
        return distance(there, before, datetime.now(UTC))


async def _of_temporal(installation: Installation) -> timedelta:
    """Temporal tells its time nowhere. But it says when a task queue was polled last: so this polls one of its own, on
    which there never is a task."""
    client = await installation.temporal()
    queue = f"{installation.settings.task_queue_prefix}doctor-{uuid4()}"
    before = datetime.now(UTC)
    polling = asyncio.create_task(_poll(client, queue))
    try:
        while True:
            described = await pollers.look_at(client, queue, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)
            after = datetime.now(UTC)
            if described.pollers:
                return distance(described.pollers[0].last_access_time.ToDatetime(UTC), before, after)
            if polling.done():
                polling.result()
            await asyncio.sleep(0.05)  # the server tells nobody
    finally:
        polling.cancel()


async def _poll(client: Client, queue: str) -> None:
    await client.workflow_service.poll_activity_task_queue(
        PollActivityTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=queue), identity=client.identity
        ),
        timeout=_POLLED_FOR,
    )
