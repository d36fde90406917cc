"""Reads how the Schedules stand: when they ran last, when they run next, and whether they are paused."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from temporalio.client import Client
from temporalio.service import RPCError

from settings import Settings
from temporal.reasons import is_missing
from temporal.schedules import watched_schedules

RPC_TIMEOUT = timedelta(seconds=5)


@dataclass(frozen=True)
class ScheduleState:
    """How a Schedule stands in the server. A Schedule that does not exist has neither times nor a note."""

    schedule_id: str
    exists: bool
    paused: bool = False
    note: str | None = None
    """Why it is paused, or what was said when it was resumed."""
    last_run: datetime | None = None
    """When the last run was started. None: there was none yet."""
    next_run: datetime | None = None
    """None: it is paused."""
    running: bool = False
    """Whether a run is under way."""


async def read_schedules(client: Client, settings: Settings) -> list[ScheduleState]:
    """Returns the Schedules that the settings want, in order. Raises `RPCError`."""
    return list(await asyncio.gather(*(_read(client, each.schedule_id) for each in watched_schedules(settings))))


async def _read(client: Client, schedule_id: str) -> ScheduleState:
    try:
        description = await client.get_schedule_handle(schedule_id).describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if not is_missing(error):
            raise
        return ScheduleState(schedule_id, exists=False)
    state, info = description.schedule.state, description.info
    return ScheduleState(
        schedule_id,
        exists=True,
        paused=state.paused,
        note=state.note or None,
        last_run=info.recent_actions[-1].started_at if info.recent_actions else None,
        next_run=info.next_action_times[0] if info.next_action_times and not state.paused else None,
        running=bool(info.running_actions),
    )
