"""Checks the Schedules, as the health check does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import add

from activities.health.findings import Findings
from activities.health.schedule_runs import look_at_schedule
from commands.doctor.installation import Away, Installation
from commands.doctor.result import Result, State, of_findings
from db.operators import pauses
from db.operators.pauses import Pause
from temporal.schedule_states import ScheduleState, read_schedules
from temporal.schedules import watched_schedules


async def look_at_schedules(installation: Installation) -> Result:
    """Says when each ran last and runs next, and whether one is missing, paused, late or failed."""
    client, settings = await installation.temporal(), installation.settings
    pause, now, late_after = await _pause(installation), datetime.now(UTC), timedelta(seconds=settings.scan_late_after)
    each = (look_at_schedule(client, watched, late_after, now, pause) for watched in watched_schedules(settings))
    states, found_in = await asyncio.gather(read_schedules(client, settings), asyncio.gather(*each))
    says = "\n".join(_in_words(state, now) for state in states)
    details = {
        state.schedule_id: {"last_run": state.last_run, "next_run": state.next_run, "paused": state.paused}
        for state in states
    }
    found = of_findings(reduce(add, found_in, Findings()), says, schedules=details)
    return found if found.state is State.OK else Result(found.state, f"{found.says}\n{says}", found.todo, found.details)


async def _pause(installation: Installation) -> Pause | None:
    try:
        async with installation.connection() as connection:
            return await pauses.find_newest(connection)
    except Away:
        return None


def _in_words(state: ScheduleState, now: datetime) -> str:
    if not state.exists:
        return f"{state.schedule_id}: missing"
    last = "never ran" if state.last_run is None else f"ran {_distance(now - state.last_run)} ago"
    if state.paused:
        return f"{state.schedule_id}: {last}, paused ({state.note or 'without a note'})"
    following = "no next run" if state.next_run is None else f"next in {_distance(state.next_run - now)}"
    return f"{state.schedule_id}: {last}, {following}{', running now' if state.running else ''}"


def _distance(span: timedelta) -> str:
    minutes, seconds = divmod(max(int(span.total_seconds()), 0), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{seconds} s"
