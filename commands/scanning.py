"""`scan`: start one by hand and follow it."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue as TaskQueueName
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy

import schedules
from commands.output import print_json, print_line, stderr_console
from commands.running import FAILED, OK, CommandFailed, complain, temporal_client, temporal_errors
from contracts import TaskQueue, task_queue
from settings import Settings
from workflows.scan_expiring import ScanExpiringWorkflow

WORKFLOW_ID = "scan-expiring"
LOOK_FOR_WORKER_EVERY = 5
"""Seconds."""
LIVE_POLLER = timedelta(seconds=90)
"""A worker that lives has polled within this: a poll waits a minute at the most."""

Result = TypeVar("Result")


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
    settings.require_a_channel()
    client = await temporal_client()
    queue = task_queue(settings.task_queue_prefix, TaskQueue.WORKFLOWS)
    async with temporal_errors():
        handle = await client.start_workflow(
            ScanExpiringWorkflow.run,
            schedules.scan_input(settings, allow_many=allow_many),
            id=WORKFLOW_ID,
            task_queue=queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary="Scan for expiring projects, by hand",
        )
        started = {"workflow_id": handle.id, "web_ui_url": web_ui_url(settings, client, handle.id)}
        if wait:
            complain(f"Scan {handle.id}: {started['web_ui_url']}")
            result = await follow(client, handle, queue, timeout, "scan")
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


def web_ui_url(settings: Settings, client: Client, workflow_id: str) -> str:
    """Where a browser finds the workflow."""
    base = settings.temporal_ui_url.rstrip("/")
    return f"{base}/namespaces/{quote(client.namespace, safe='')}/workflows/{quote(workflow_id, safe='')}"


async def follow(
    client: Client, handle: WorkflowHandle[Any, Result], queue: str, seconds: float | None, noun: str
) -> Result:
    """Waits for the workflow's result, for so many seconds at most, and shows that it does. `noun` is what it is to
    people. Raises `CommandFailed`."""
    hint = asyncio.create_task(_hint_at_missing_worker(client, queue, noun))
    try:
        with stderr_console().status(f"Waiting for the {noun}"):
            async with asyncio.timeout(seconds):
                return await handle.result()
    except TimeoutError:
        raise CommandFailed(f"the {noun} has not ended within {seconds:g} s; it goes on") from None
    except WorkflowFailureError as error:
        raise CommandFailed(f"the {noun} ended without a result: {error.cause}") from error
    finally:
        hint.cancel()
        await asyncio.gather(hint, return_exceptions=True)


async def _hint_at_missing_worker(client: Client, queue: str, noun: str) -> None:
    """Says so, once, when no worker polls the queue."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueueName(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    while True:
        await asyncio.sleep(LOOK_FOR_WORKER_EVERY)
        description = await client.workflow_service.describe_task_queue(request)
        oldest = datetime.now(UTC) - LIVE_POLLER
        if not any(poller.last_access_time.ToDatetime(UTC) > oldest for poller in description.pollers):
            complain(f"No worker polls the task queue {queue}, so the {noun} waits: start `python worker.py`.")
            return
