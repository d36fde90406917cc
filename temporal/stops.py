"""Stops a channel whose provider accepts no message from us, and resumes it.

The end of a stop is in the database. A separate workflow resumes the channel, so that this does not depend on the
worker that stopped it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy

from contracts.queues import WORKFLOWS, task_queue
from contracts.stopping import ResumeChannelInput
from db.engine import autocommit
from db.errors import DATABASE_ERRORS, describe
from db.operators import stops
from settings import Settings
from temporal import rate_limits
from workflows.resume_channel import ResumeChannelWorkflow

log = structlog.get_logger(__name__)


def resume_id(settings: Settings, channel: str) -> str:
    """Returns the id of the workflow that resumes the channel: one for each queue."""
    return f"resume-{task_queue(settings.task_queue_prefix, channel)}"


class TemporalStops:
    """The stops of one installation's channels. All raise `SQLAlchemyError`, `OSError` and `RPCError`."""

    def __init__(self, client: Client, settings: Settings, engine: AsyncEngine) -> None:
        self._client = client
        self._settings = settings
        self._engine = autocommit(engine)

    async def stop(self, channel: str, until: datetime) -> None:
        """Stops the channel for all workers until this time. May run twice; if a later end is recorded, it stays.

        What resumes it is started before the rate is set to 0, so that a crash in between stops nothing for ever.
        """
        async with self._engine.connect() as connection:
            await stops.stop(connection, channel, until)
        await self._resume_later(channel, until)
        await self.apply([channel])
        log.warning("channel_stopped", channel=channel, until=until.isoformat())

    async def resume(self, channel: str) -> datetime | None:
        """Lets the channel send again, unless it is stopped. Returns the end of its stop. May run twice."""
        until = (await self.apply([channel])).get(channel)
        if until is None:
            log.info("channel_resumed", channel=channel)
        return until

    async def start(self, queues: Iterable[str]) -> None:
        """Sets the rate limits at a worker's start. A stopped channel stays stopped, and is sure to be resumed.

        If the database is away, it leaves the limits as they are: one of them may be a stop.
        """
        try:
            stopped = await self.apply(queues)
        except DATABASE_ERRORS as error:
            log.warning("rate_limits_left", error=describe(error))
            return
        for channel, until in stopped.items():
            await self._resume_later(channel, until)

    async def apply(self, queues: Iterable[str]) -> dict[str, datetime]:
        """Sets the rate limits of the queues, and 0 for those that are stopped, which it returns. It looks again
        afterwards, since another worker may have stopped one meanwhile, or a stop may have ended."""
        known = set(queues)
        stopped: dict[str, datetime] | None = None
        while (found := await self._find(known)) != stopped:
            stopped = found
            await rate_limits.apply(self._client, self._settings, known, stopped)
        return stopped

    async def _find(self, queues: set[str]) -> dict[str, datetime]:
        async with self._engine.connect() as connection:
            found = await stops.find_stopped(connection)
        return {channel: until for channel, until in found.items() if channel in queues}

    async def _resume_later(self, channel: str, until: datetime) -> None:
        await self._client.start_workflow(
            ResumeChannelWorkflow.run,
            ResumeChannelInput(channel, until),
            id=resume_id(self._settings, channel),
            task_queue=task_queue(self._settings.task_queue_prefix, WORKFLOWS),
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal="stopped",
            static_summary=f"Resume {channel} when its provider takes messages again",
        )
