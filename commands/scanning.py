"""`scan`: start one by hand and follow it."""

from __future__ import annotations

from dataclasses import asdict

from temporalio.common import WorkflowIDConflictPolicy

from channels.configured import require_a_channel
from commands.following import follow, where
from commands.output import print_json, print_line
from commands.pausing import tell_if_paused
from commands.running import FAILED, OK, complain, temporal_client, temporal_errors
from contracts.queues import WORKFLOWS, task_queue
from settings import Settings
from temporal import schedules
from workflows.scan_expiring import ScanExpiringWorkflow

WORKFLOW_ID = "scan-expiring"


async def scan(
    *,
    wait: bool,
    timeout: float | None,  # noqa: ASYNC109 - it is a command's option
    allow_many: bool,
    as_json: bool,
) -> int:
    """Starts a scan, or joins the one that was started by hand and still runs; with `wait` follows it to its end.

    `timeout` is in seconds. 1 if the scan opened nothing since it was more than SCAN_MAX_NOTICES.
    A scan that is no longer waited for goes on.
    """
    settings = Settings.load()
    require_a_channel(settings)
    client = await temporal_client()
    queue = task_queue(settings.task_queue_prefix, WORKFLOWS)
    async with temporal_errors():
        handle = await client.start_workflow(
            ScanExpiringWorkflow.run,
            schedules.scan_input(settings, allow_many=allow_many),
            id=WORKFLOW_ID,
            task_queue=queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary="Scan for expiring projects, by hand",
        )
        started = where(settings, client, handle.id)
        await tell_if_paused(settings)
        if wait:
            complain(f"Scan {handle.id}: {started['web_ui_url']}")
            result = await follow(client, handle, queue, "scan", timeout)
    if as_json:
        print_json(started | (asdict(result) if wait else {}))
    elif wait:
        print_line(f"Found {result.found} due, opened {result.opened}, started {result.started} notifications.")
        if result.recovered:
            print_line(f"{result.recovered} that stood open had lost their workflow: started again, or settled.")
    else:
        print_line(f"Scan {handle.id}: {started['web_ui_url']}")
    if wait and result.too_many:
        complain(
            f"{result.found} is more than SCAN_MAX_NOTICES ({settings.scan_max_notices}), so no notice was opened: "
            "`scan --dry-run` lists them, `scan --allow-many` opens them."
        )
        return FAILED
    return OK
