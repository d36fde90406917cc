"""`DailySummaryWorkflow`."""

from __future__ import annotations

from temporalio.client import WorkflowHistory

from contracts.queues import WORKFLOWS, task_queue
from contracts.summarising import DailySummaryInput
from tests.replay.shapes.runs import runs_of
from tests.support.health_scene import ADMIN
from tests.support.scene import Scene
from workflows.daily_summary import DailySummaryWorkflow


async def told(scene: Scene) -> list[WorkflowHistory]:
    scene = scene.with_settings(admin_email=ADMIN)
    async with scene.worker():
        handle = await scene.client.start_workflow(
            DailySummaryWorkflow.run,
            DailySummaryInput(),
            id="daily-summary-by-hand",
            task_queue=task_queue(scene.settings.task_queue_prefix, WORKFLOWS),
        )
        await handle.result()
        await scene.children_end()
    return await runs_of(scene, handle.id, handle.first_execution_run_id)


SHAPES = (told,)
