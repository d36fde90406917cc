"""`ApplyRetentionWorkflow`, which its Schedule starts."""

from __future__ import annotations

from dataclasses import replace

from temporalio.client import WorkflowHistory

from contracts.retention import ApplyRetentionInput
from tests.replay.shapes.runs import runs_of
from tests.support.aging import age
from tests.support.scanning import start_retention
from tests.support.scene import Scene


async def nothing_old(scene: Scene) -> list[WorkflowHistory]:
    return await _retained(scene, ApplyRetentionInput())


async def removed_over_two_runs(scene: Scene) -> list[WorkflowHistory]:
    """Texts in one run, rows in the next."""
    await scene.due_project()
    await scene.scan_and_send()
    await scene.platform.execute("UPDATE projects SET status = 'archived'")
    await age(scene.platform, 600)
    return await _retained(scene, ApplyRetentionInput(steps_per_run=1))


async def out_of_time(scene: Scene) -> list[WorkflowHistory]:
    return await _retained(scene, ApplyRetentionInput(longest=0))


async def _retained(scene: Scene, input: ApplyRetentionInput) -> list[WorkflowHistory]:
    settings = scene.settings.model_copy(update={"texts_keep_days": 100, "record_keep_days": 400})
    async with replace(scene, settings=settings).worker():
        handle = await start_retention(scene.client, settings, input)
        await handle.result()
    return await runs_of(scene, handle.id, handle.first_execution_run_id)


SHAPES = (nothing_old, removed_over_two_runs, out_of_time)
