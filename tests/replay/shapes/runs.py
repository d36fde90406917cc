"""What many shapes play on a scene, and the histories that come of it."""

from __future__ import annotations

from temporalio.client import WorkflowHistory

from tests.support.scanning import finished, start_scan
from tests.support.scene import Scene


async def sent(scene: Scene) -> list[WorkflowHistory]:
    """Scans and returns the history of the only notification's workflow."""
    await scene.scan_and_send()
    return [await scene.history()]


async def scanned(scene: Scene, **input_fields: object) -> list[WorkflowHistory]:
    async with scene.worker():
        handle = await start_scan(scene.client, scene.settings, **input_fields)
        await handle.result()
        for notification in await scene.platform.notifications():
            await finished(scene.client, notification.workflow_id)
    return await runs_of(scene, handle.id, handle.first_execution_run_id)


async def runs_of(scene: Scene, workflow_id: str, first_run_id: str | None) -> list[WorkflowHistory]:
    """The histories of a workflow's runs, in the order in which each continued the one before."""
    histories = []
    run_id = first_run_id
    while run_id:
        history = await scene.history(workflow_id, run_id)
        histories.append(history)
        run_id = history.events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return histories
