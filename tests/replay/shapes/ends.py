"""`DeactivateExpiredWorkflow`."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import WorkflowHistory

from tests.replay.shapes.runs import runs_of
from tests.support.data import in_days
from tests.support.scanning import finished, start_deactivation
from tests.support.scene import Scene


async def nothing_ended(scene: Scene) -> list[WorkflowHistory]:
    return await _deactivated(scene)


async def pages_and_batches(scene: Scene) -> list[WorkflowHistory]:
    """Three pages over two runs, five children in batches of two, each run continued as new."""
    for number in range(5):
        company = await scene.platform.company()
        project = await scene.platform.project(company, expires_at=in_days(-1) - timedelta(minutes=number))
        await scene.platform.content(company, project)
    return await _deactivated(scene, page_size=2, batch_size=2, pages_per_run=2)


async def _deactivated(scene: Scene, **input_fields: object) -> list[WorkflowHistory]:
    async with scene.worker():
        handle = await start_deactivation(scene.client, scene.settings, **input_fields)
        await handle.result()
        for notification in await scene.platform.notifications():
            await finished(scene.client, notification.workflow_id)
    return await runs_of(scene, handle.id, handle.first_execution_run_id)


SHAPES = (nothing_ended, pages_and_batches)
