"""Checks of the task queues: what waits, who polls, and which limits the server enforces."""

from __future__ import annotations

import asyncio

from activities.health.queues import judge, read_backlogs
from channels.registry import all_queues
from commands.doctor.installation import Away, Installation
from commands.doctor.result import Result, failed, of_findings, ok, warning
from db.operators.stops import find_stopped
from temporal import rate_limits


async def look_at_backlogs(installation: Installation) -> Result:
    """Reads each queue's backlog and pollers."""
    settings = installation.settings
    backlogs = await read_backlogs(await installation.temporal(), settings)
    waiting = {name: backlog.tasks for name, backlog in backlogs.items()}
    details = {name: {"tasks": each.tasks, "polled": each.polled} for name, each in backlogs.items()}
    unpolled = [name for name, backlog in backlogs.items() if not backlog.polled]
    if unpolled:
        return failed(
            f"no worker has polled lately: {', '.join(unpolled)}",
            "Start `python worker.py`, and see its log.",
            queues=details,
        )
    for name, backlog in backlogs.items():
        if (findings := judge(name, backlog, settings)).problems:
            return of_findings(findings, "", queues=details)
    full = ", ".join(f"{tasks} in {name}" for name, tasks in waiting.items() if tasks)
    return ok(f"all {len(backlogs)} are polled; waiting: {full or 'nothing'}", queues=details)


async def look_at_limits(installation: Installation) -> Result:
    """Compares the rate limits that the server enforces with the settings."""
    client, settings = await installation.temporal(), installation.settings
    try:
        async with installation.connection() as connection:
            stopped = await find_stopped(connection)
    except Away:
        stopped = {}
    wanted = rate_limits.queue_limits(settings, all_queues(), stopped)
    found = await asyncio.gather(*(rate_limits.read(client, each.name) for each in wanted))
    details = {each.name: {"in_all": each.in_all, "for_each_key": each.for_each_key} for each in found if each}
    missing = [each.name for each, there in zip(wanted, found, strict=True) if there is None]
    if missing:
        return warning(
            f"not set in the server: {', '.join(missing)}", "A worker sets them when it starts: start one.", **details
        )
    differing = [
        f"{each.name} {_rate(there.in_all)} instead of {_rate(each.in_all)}"
        for each, there in zip(wanted, found, strict=True)
        if there is not None and not each.is_like(there)
    ]
    if differing:
        return warning(
            f"the server's limits differ from the settings here: {', '.join(differing)}",
            "The last worker that started has set them. Give all processes the same settings, and restart the workers.",
            **details,
        )
    stops = f"; stopped: {', '.join(stopped)}" if stopped else ""
    return ok(", ".join(f"{each.name} {_rate(each.in_all)}" for each in wanted) + stops, **details)


def _rate(a_second: float) -> str:
    return f"{a_second:g}/s"
