"""The check of the connections to PostgreSQL: whether all that our processes may open fit on the server."""

from __future__ import annotations

import asyncio

from temporalio.client import Client

from activities.health import pollers
from channels.registry import all_queues
from commands.doctor.installation import Away, Installation
from commands.doctor.result import Result, ok, warning
from contracts.queues import WORKFLOWS, task_queue
from db.pools import APPLICATION_NAMES, largest_pool, most_connections
from db.server import Connections, read_connections
from settings import Settings


async def look_at_connections(installation: Installation) -> Result:
    """Counts what is in use, and the workers that poll now. Without Temporal it assumes one."""
    async with installation.connection() as connection:
        found = await read_connections(connection, APPLICATION_NAMES)
    try:
        workers = await _count_workers(await installation.temporal(), installation.settings)
    except Away:
        workers = 1
    return judge(found, max(1, workers), installation.settings)


def judge(found: Connections, workers: int, settings: Settings) -> Result:
    """Says whether this many workers, an API and commands fit beside what others use."""
    needed, others = most_connections(settings.database_pool_size, workers), found.used - found.ours
    room = found.limit - others
    says = (
        f"{found.used} of {found.limit} in use; {_counted(workers)}, the API and commands may take {needed} "
        f"(DATABASE_POOL_SIZE={settings.database_pool_size})"
    )
    details = {
        "limit": found.limit,
        "used": found.used,
        "ours": found.ours,
        "workers": workers,
        "most": needed,
    }
    if needed <= room:
        return ok(says, **details)
    fitting = largest_pool(room, workers)
    lower = f"Set DATABASE_POOL_SIZE={fitting} in every process" if fitting >= 1 else "Run fewer workers"
    return warning(
        says,
        f"{lower}, or raise max_connections of PostgreSQL (or the limit of the role or the database): "
        f"others use {others} now, which leaves {room}.",
        **details,
    )


def _counted(workers: int) -> str:
    return "1 worker" if workers == 1 else f"{workers} workers"


async def _count_workers(client: Client, settings: Settings) -> int:
    """Counts the processes that have polled one of our task queues recently."""
    queues = all_queues()
    answers = await asyncio.gather(
        *(
            pollers.look_at(
                client,
                task_queue(settings.task_queue_prefix, queue),
                pollers.WORKFLOW if queue == WORKFLOWS else pollers.ACTIVITY,
            )
            for queue in queues
        )
    )
    return len({poller.identity for answer in answers for poller in pollers.recent(answer.pollers)})
