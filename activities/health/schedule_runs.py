"""The Temporal Schedules: is each there, not paused, and did its last run end well and in time?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim
from temporalio.client import (
    Client,
    ScheduleActionExecutionStartWorkflow,
    ScheduleDescription,
    WorkflowExecutionStatus,
)
from temporalio.service import RPCError, RPCStatusCode

from activities.health.findings import Findings, Problem, found
from db.operators.pauses import Pause

RPC_TIMEOUT = timedelta(seconds=10)
_WELL = (
    WorkflowExecutionStatus.RUNNING,
    WorkflowExecutionStatus.COMPLETED,
    WorkflowExecutionStatus.CONTINUED_AS_NEW,
)


@dataclass(frozen=True)
class WatchedSchedule:
    """A Schedule that has to be there. Without `cron` nothing is asked of its runs."""

    schedule_id: str
    workflow_type: str
    cron: str | None = None
    timezone: str = "UTC"

    def last_meant(self, before: datetime) -> datetime | None:
        """When a run was last meant to begin, `before` a time."""
        if self.cron is None:
            return None
        return next(CronSim(self.cron, before.astimezone(ZoneInfo(self.timezone)), reverse=True)).astimezone(UTC)


async def schedule_runs(
    client: Client, watched: WatchedSchedule, late_after: timedelta, now: datetime, pause: Pause | None = None
) -> Findings:
    """`late_after` its time a run must have begun and ended. One started by hand is as good.

    `pause` is the newest pause of the sending: what it has paused is no problem beside it, and no run was missed by it.
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
            Problem(
                missing, f"The Schedule {name} is missing", "Nothing starts its runs. Run `cli.py schedules apply`.\n"
            ),
        )
    return found(
        [missing, paused, late, failed],
        _paused(paused, name, description, pause),
        await _late(late, client, watched, description, now - late_after, pause),
        await _failed(failed, client, watched, description),
    )


def _paused(code: str, name: str, description: ScheduleDescription, pause: Pause | None) -> Problem | None:
    state = description.schedule.state
    if not state.paused or (pause is not None and pause.holds and state.note == pause.note):
        return None
    return Problem(
        code,
        f"The Schedule {name} is paused",
        f"Nothing starts its runs. Its note: {state.note or 'none'}. To go on, unpause it in the Temporal Web UI or by "
        f"`temporal schedule toggle --unpause --schedule-id {name}`.\n",
    )


async def _late(
    code: str,
    client: Client,
    watched: WatchedSchedule,
    description: ScheduleDescription,
    before: datetime,
    pause: Pause | None,
) -> Problem | None:
    meant = watched.last_meant(before)
    if meant is None or description.schedule.state.paused:
        return None
    if meant < description.info.created_at:
        return None  # nothing was meant to run yet
    if pause is not None and pause.resumed_at is not None and pause.paused_at < meant < pause.resumed_at:
        return None  # who resumed was told that a missed run is not made up for
    if await _has_completed(client, watched, f"StartTime >= '{meant.isoformat()}'"):
        return None
    return Problem(
        code,
        f"A run of {watched.schedule_id} is late",
        f"It was meant for {meant:%Y-%m-%d %H:%M} UTC, and none that began since has ended. Look for it in the "
        f"Temporal Web UI: does it run still, and do workers take its tasks? {_by_hand(watched)}\n",
    )


async def _failed(
    code: str, client: Client, watched: WatchedSchedule, description: ScheduleDescription
) -> Problem | None:
    """The newest run of the Schedule's ended badly, and none that began later ended well."""
    actions = [each.action for each in description.info.recent_actions]
    if watched.cron is None or not actions or not isinstance(actions[-1], ScheduleActionExecutionStartWorkflow):
        return None
    workflow_id = actions[-1].workflow_id
    try:
        # Without a run id: the newest of those that continued as new.
        run = await client.get_workflow_handle(workflow_id).describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None  # so old that the namespace has dropped it
    if run.status is None or run.status in _WELL:
        return None
    if await _has_completed(client, watched, f"StartTime > '{run.start_time.isoformat()}'"):
        return None
    return Problem(
        code,
        f"The last run of {watched.schedule_id} has not ended well",
        f"The workflow {workflow_id} is {run.status.name.lower().replace('_', ' ')}. Its history in the Temporal Web "
        f"UI says why. {_by_hand(watched)}\n",
    )


async def _has_completed(client: Client, watched: WatchedSchedule, began: str) -> bool:
    query = f"WorkflowType = '{watched.workflow_type}' AND ExecutionStatus = 'Completed' AND {began}"
    async for _ in client.list_workflows(query, limit=1, rpc_timeout=RPC_TIMEOUT):
        return True
    return False


def _by_hand(watched: WatchedSchedule) -> str:
    return (
        f"A run that is started now makes up for it: `temporal schedule trigger --schedule-id {watched.schedule_id}`."
    )
