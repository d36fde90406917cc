"""Checks the Temporal Schedules: that each exists, is not paused, and had its last run end well and in time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from temporalio.client import (
    Client,
    ScheduleActionExecutionStartWorkflow,
    ScheduleDescription,
    WorkflowExecutionStatus,
)
from temporalio.service import RPCError, RPCStatusCode

from activities.health.findings import Findings, Problem, found
from activities.schedule_times import RPC_TIMEOUT, last_run
from db.operators.pauses import Pause

_WELL = (
    WorkflowExecutionStatus.RUNNING,
    WorkflowExecutionStatus.COMPLETED,
    WorkflowExecutionStatus.CONTINUED_AS_NEW,
)


@dataclass(frozen=True)
class WatchedSchedule:
    """A Schedule that must exist. With `runs` its runs are checked too."""

    schedule_id: str
    workflow_type: str
    runs: bool = True


async def look_at_schedule(
    client: Client, watched: WatchedSchedule, late_after: timedelta, now: datetime, pause: Pause | None = None
) -> Findings:
    """Checks a Schedule. A run must have begun and ended within `late_after` its scheduled time; a manual run counts.

    `pause` is the newest pause of sending. A Schedule that it paused is not another problem, and a run that was
    scheduled during it does not count as missed.
    """
    name = watched.schedule_id
    missing, paused, late, failed = (f"schedule_{what}.{name}" for what in ("missing", "paused", "late", "failed"))
    try:
        description = await client.get_schedule_handle(name).describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return found(
            [paused, late, failed],
            Problem(missing, f"The Schedule {name} is missing", "It starts no runs. Run `cli.py schedules apply`.\n"),
        )
    return found(
        [missing, paused, late, failed],
        _find_paused(paused, name, description, pause),
        await _find_late(late, client, watched, description, now - late_after, pause),
        await _find_failed(failed, client, watched, description),
    )


def _find_paused(code: str, name: str, description: ScheduleDescription, pause: Pause | None) -> Problem | None:
    state = description.schedule.state
    if not state.paused or (pause is not None and pause.holds and state.note == pause.note):
        return None
    return Problem(
        code,
        f"The Schedule {name} is paused",
        f"It starts no runs. Its note: {state.note or 'none'}. To unpause it, use the Temporal Web UI or run "
        f"`temporal schedule toggle --unpause --schedule-id {name}`.\n",
    )


async def _find_late(
    code: str,
    client: Client,
    watched: WatchedSchedule,
    description: ScheduleDescription,
    before: datetime,
    pause: Pause | None,
) -> Problem | None:
    scheduled = await _find_overdue(client, watched, description, before, pause)
    if scheduled is None:
        return None
    return Problem(
        code,
        f"A run of {watched.schedule_id} is late",
        f"It was scheduled for {scheduled:%Y-%m-%d %H:%M} UTC, and no run since then has completed. Look for it in the "
        f"Temporal Web UI: check whether it still runs, and whether workers take its tasks. {_by_hand(watched)}\n",
    )


async def _find_overdue(
    client: Client, watched: WatchedSchedule, description: ScheduleDescription, before: datetime, pause: Pause | None
) -> datetime | None:
    """Returns for when the last run before that time was scheduled, if no run since then has completed."""
    if not watched.runs or description.schedule.state.paused:
        return None
    scheduled = await last_run(client, watched.schedule_id, before)
    if scheduled is None or scheduled < description.info.created_at:
        return None  # no run was scheduled yet
    if pause is not None and pause.resumed_at is not None and pause.paused_at < scheduled < pause.resumed_at:
        return None  # `resume` has told the operator about missed runs
    if await _has_completed(client, watched, f"StartTime >= '{scheduled.isoformat()}'"):
        return None
    return scheduled


async def lag_of_runs(client: Client, watched: WatchedSchedule, now: datetime, pause: Pause | None) -> timedelta:
    """Returns for how long the last scheduled run has been due without one that completed. Zero if one has, or if the
    Schedule is paused or missing, which is a problem of its own. Raises `RPCError`."""
    try:
        description = await client.get_schedule_handle(watched.schedule_id).describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return timedelta(0)
    scheduled = await _find_overdue(client, watched, description, now, pause)
    return timedelta(0) if scheduled is None else max(now - scheduled, timedelta(0))


async def _find_failed(
    code: str, client: Client, watched: WatchedSchedule, description: ScheduleDescription
) -> Problem | None:
    """Finds whether the Schedule's newest run failed, unless a later run completed."""
    actions = [each.action for each in description.info.recent_actions]
    if not watched.runs or not actions or not isinstance(actions[-1], ScheduleActionExecutionStartWorkflow):
        return None
    workflow_id = actions[-1].workflow_id
    try:
        # Without a run id this is the newest run, if the workflow continued as new.
        run = await client.get_workflow_handle(workflow_id).describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None  # past the namespace's retention
    if run.status is None or run.status in _WELL:
        return None
    if await _has_completed(client, watched, f"StartTime > '{run.start_time.isoformat()}'"):
        return None
    return Problem(
        code,
        f"The last run of {watched.schedule_id} failed",
        f"The workflow {workflow_id} is {run.status.name.lower().replace('_', ' ')}. Its history in the Temporal Web "
        f"UI says why. {_by_hand(watched)}\n",
    )


async def _has_completed(client: Client, watched: WatchedSchedule, began: str) -> bool:
    query = f"WorkflowType = '{watched.workflow_type}' AND ExecutionStatus = 'Completed' AND {began}"
    async for _ in client.list_workflows(query, limit=1, rpc_timeout=RPC_TIMEOUT):
        return True
    return False


def _by_hand(watched: WatchedSchedule) -> str:
    return f"To make up for it, run `temporal schedule trigger --schedule-id {watched.schedule_id}`."
