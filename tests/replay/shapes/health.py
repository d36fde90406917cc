"""`CheckHealthWorkflow`."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from pydantic import HttpUrl
from temporalio.client import WorkflowHandle, WorkflowHistory

from contracts.health import CheckHealthInput, HealthReport
from contracts.queues import WORKFLOWS, task_queue
from local.stand_ins.http_server import Answer
from temporal import schedules
from tests.replay.shapes.runs import runs_of
from tests.support.health_scene import ADMIN, PING_PATH, Pages
from tests.support.scene import Scene
from workflows.check_health import CheckHealthWorkflow


async def all_well(scene: Scene) -> list[WorkflowHistory]:
    """And the watch outside is told so."""
    return await _checked(scene)


async def something_wrong(scene: Scene) -> list[WorkflowHistory]:
    pages = Pages()
    pages.answers["/readyz"] = Answer(503, {"checks": {"database": "ok", "temporal": "away"}})
    return await _checked(scene, pages)


async def ping_unanswered(scene: Scene) -> list[WorkflowHistory]:
    pages = Pages()
    pages.answers[PING_PATH] = Answer(500, {})
    return await _checked(scene, pages)


async def database_away(scene: Scene) -> list[WorkflowHistory]:
    """The operators are alerted without a record, and the workflow stays until it is back, over two runs at least."""
    pages = Pages()
    await pages.start()
    scene = _with_admin(scene, pages)
    await schedules.apply(scene.client, scene.settings)
    async with scene.worker():
        await scene.postgres.stop()
        handle = await _start(scene, interval=0.2, looks_per_run=2)
        await scene.sink.wait_for(1, 60)
        while (await handle.describe()).run_id == handle.first_execution_run_id:
            await asyncio.sleep(0.1)  # the server tells nobody
        await scene.postgres.start()
        await handle.result()
    await pages.stop()
    return await runs_of(scene, handle.id, handle.first_execution_run_id)


async def _checked(scene: Scene, pages: Pages | None = None) -> list[WorkflowHistory]:
    pages = pages or Pages()
    await pages.start()
    scene = _with_admin(scene, pages)
    await schedules.apply(scene.client, scene.settings)
    async with scene.worker():
        handle = await _start(scene)
        await handle.result()
    await pages.stop()
    return await runs_of(scene, handle.id, handle.first_execution_run_id)


def _with_admin(scene: Scene, pages: Pages) -> Scene:
    return scene.with_settings(
        admin_email=ADMIN, health_api_url=HttpUrl(pages.url), health_ping_url=HttpUrl(pages.url + PING_PATH)
    )


async def _start(scene: Scene, **values: Any) -> WorkflowHandle[CheckHealthWorkflow, HealthReport]:
    input: CheckHealthInput = replace(schedules.health_input(scene.settings), **values)
    return await scene.client.start_workflow(
        CheckHealthWorkflow.run,
        input,
        id="check-health-by-hand",
        task_queue=task_queue(scene.settings.task_queue_prefix, WORKFLOWS),
    )


SHAPES = (all_well, something_wrong, ping_unanswered, database_away)
