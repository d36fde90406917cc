"""Running a scan, a deactivation and a retention as their Schedules do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from channels.configured import send_options
from contracts.deactivating import DeactivateExpiredInput, DeactivateExpiredResult
from contracts.queues import WORKFLOWS, task_queue
from contracts.retention import ApplyRetentionInput, ApplyRetentionResult
from contracts.scanning import ScanExpiringInput, ScanExpiringResult
from settings import Settings
from temporal import schedules
from workflows.apply_retention import ApplyRetentionWorkflow
from workflows.deactivate_expired import DeactivateExpiredWorkflow
from workflows.scan_expiring import ScanExpiringWorkflow


async def start_scan(
    client: Client, settings: Settings, **input_fields: Any
) -> WorkflowHandle[ScanExpiringWorkflow, ScanExpiringResult]:
    return await client.start_workflow(
        ScanExpiringWorkflow.run,
        ScanExpiringInput(options=send_options(settings), **input_fields),
        id=f"scan-{uuid4()}",
        task_queue=task_queue(settings.task_queue_prefix, WORKFLOWS),
        execution_timeout=timedelta(minutes=12),
    )


async def scan(client: Client, settings: Settings, **input_fields: Any) -> ScanExpiringResult:
    handle = await start_scan(client, settings, **input_fields)
    return await handle.result()


async def start_deactivation(
    client: Client, settings: Settings, **input_fields: Any
) -> WorkflowHandle[DeactivateExpiredWorkflow, DeactivateExpiredResult]:
    return await client.start_workflow(
        DeactivateExpiredWorkflow.run,
        DeactivateExpiredInput(options=send_options(settings), **input_fields),
        id=f"deactivate-{uuid4()}",
        task_queue=task_queue(settings.task_queue_prefix, WORKFLOWS),
        execution_timeout=timedelta(minutes=12),
    )


async def deactivate(client: Client, settings: Settings, **input_fields: Any) -> DeactivateExpiredResult:
    handle = await start_deactivation(client, settings, **input_fields)
    return await handle.result()


async def start_retention(
    client: Client, settings: Settings, input: ApplyRetentionInput
) -> WorkflowHandle[ApplyRetentionWorkflow, ApplyRetentionResult]:
    return await client.start_workflow(
        ApplyRetentionWorkflow.run,
        input,
        id=f"retention-{uuid4()}",
        task_queue=task_queue(settings.task_queue_prefix, WORKFLOWS),
        execution_timeout=timedelta(minutes=12),
    )


async def finished(client: Client, workflow_id: str) -> None:
    """Waits for one notification's workflow to end."""
    await client.get_workflow_handle(workflow_id).result()


async def all_finished(client: Client, workflow_ids: list[str]) -> None:
    for workflow_id in workflow_ids:
        await finished(client, workflow_id)


async def schedules_answer(client: Client, settings: Settings) -> None:
    """Waits until each Schedule can be described: on a busy machine the server's part for a namespace starts late, and
    what looks at the Schedules gives up before that."""
    for watched in schedules.watched_schedules(settings):
        described = False
        while not described:
            try:
                await client.get_schedule_handle(watched.schedule_id).describe()
                described = True
            except RPCError as error:
                if error.status == RPCStatusCode.NOT_FOUND:
                    raise
