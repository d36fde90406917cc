"""Checks that the worker on this host takes tasks and can do them: `python -m deploy.check_worker`.

The health check of the worker's container. It fails for a worker that lost Temporal, whose pollers stopped, or whose
database is away or at a revision on which the code does not work.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterable, Sequence

from sqlalchemy.exc import SQLAlchemyError
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import PollerInfo
from temporalio.client import Client

from activities.health.pollers import ACTIVITY, RECENT, WORKFLOW, look_at, recent
from channels.registry import all_queues, queues_named
from contracts.queues import WORKFLOWS, task_queues
from db.engine import create_engine
from db.revision import WrongRevision, require_usable
from runtime import leaving
from runtime.this_host import this_host
from settings import Settings, SettingsError
from temporal.client import connect
from temporal.reasons import why_away

PATIENCE = 10.0
"""Seconds for the whole check."""


async def silent_queues(client: Client, prefix: str, queues: Iterable[str], host: str) -> list[str]:
    """The full names of those queues that no worker on `host` has polled lately."""
    names = [(name, _polled_for(queue)) for queue in queues for name in task_queues(prefix, queue)]
    answers = await asyncio.gather(*(look_at(client, name, kind) for name, kind in names))
    return [
        name
        for (name, _), answer in zip(names, answers, strict=True)
        if not any(_is_on(host, poller) for poller in recent(answer.pollers))
    ]


async def check_revision(settings: Settings) -> None:
    """Raises `WrongRevision` if the code does not work on the database's revision, and the database's errors."""
    engine = create_engine(settings, "check_worker", pooled=False)
    try:
        async with engine.connect() as connection:
            await require_usable(connection)
    finally:
        await engine.dispose()


def _polled_for(queue: str) -> TaskQueueType.ValueType:
    return WORKFLOW if queue == WORKFLOWS else ACTIVITY


def _is_on(host: str, poller: PollerInfo) -> bool:
    # As `this_process` has it, and the SDK by default: pid@host.
    return poller.identity.endswith(f"@{host}")


def _queues(value: str) -> list[str]:
    try:
        return queues_named(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


async def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 if this host polls all queues and the code works on the database's revision, 1 if not or if a
    server is away, 2 for a wrong setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--queues",
        type=_queues,
        default=list(all_queues()),
        help="the queues that the worker serves (default: all)",
    )
    options = parser.parse_args(arguments)
    try:
        settings = Settings.load()
    except SettingsError as error:
        sys.stderr.write(f"check_worker: {error}\n")
        return 2
    try:
        async with asyncio.timeout(PATIENCE):
            silent = await silent_queues(await connect(), settings.task_queue_prefix, options.queues, this_host())
    except SettingsError as error:
        sys.stderr.write(f"check_worker: {error}\n")
        return 2
    except Exception as error:  # noqa: BLE001 - whatever it is, this container is not healthy
        sys.stderr.write(f"check_worker: {why_away(error)}\n")
        return 1
    try:
        async with asyncio.timeout(PATIENCE):
            await check_revision(settings)
    except SettingsError as error:
        sys.stderr.write(f"check_worker: {error}\n")
        return 2
    except WrongRevision as error:
        sys.stderr.write(f"PostgreSQL: {error}\n")
        return 1
    except (SQLAlchemyError, OSError, ValueError) as error:  # its text may name the database's user
        sys.stderr.write(f"PostgreSQL is away: {type(error).__name__}\n")
        return 1
    for name in silent:
        sys.stderr.write(f"{name}: not polled from this host for {RECENT.total_seconds():.0f} s\n")
    return 1 if silent else 0


if __name__ == "__main__":
    leaving.run(main)
