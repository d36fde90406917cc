"""`ScanExpiringWorkflow`, and `StartHeldWorkflow` that it leaves behind."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from temporalio.client import WorkflowHistory

from temporal.start import start_held_now
from tests.replay.shapes.runs import runs_of, scanned
from tests.support.data import in_days
from tests.support.quiet import QUIET_NOW, quiet_for
from tests.support.scanning import finished, scan, start_scan
from tests.support.scene import Scene
from workflows.start_held import START_HELD


async def lost_child_recovered(scene: Scene) -> list[WorkflowHistory]:
    """The workflow of an earlier scan's notice was terminated: the sweep settles it."""
    await scene.platform.project(await scene.platform.company())
    held = scene.sink.hold("rcpt")
    async with scene.worker():
        await scan(scene.client, scene.settings)
        await asyncio.wait_for(held.reached.wait(), 30)
        [notification] = await scene.platform.notifications()
        await scene.client.get_workflow_handle(notification.workflow_id).terminate()
        held.release()
        second = await start_scan(scene.client, scene.settings)
        await second.result()
    return await runs_of(scene, second.id, second.first_execution_run_id)


async def nothing_due(scene: Scene) -> list[WorkflowHistory]:
    return await scanned(scene)


async def pages_and_batches(scene: Scene) -> list[WorkflowHistory]:
    """Three pages over two runs, five children in batches of two, each run continued as new."""
    for _ in range(5):
        await scene.platform.project(await scene.platform.company())
    return await scanned(scene, page_size=2, batch_size=2, pages_per_run=2)


async def waited_for_room(scene: Scene) -> list[WorkflowHistory]:
    """One notice may be in flight; the second waits until the first has been attempted."""
    company = await scene.platform.company()
    for _ in range(2):
        await scene.platform.project(company)
    settings = scene.settings.model_copy(update={"scan_max_in_flight": 1})
    return await scanned(replace(scene, settings=settings), batch_size=1)


async def child_running_already(scene: Scene) -> list[WorkflowHistory]:
    """Two scans hand over the same notice: the second finds its workflow running."""
    await scene.platform.project(await scene.platform.company())
    held = scene.sink.hold("rcpt")
    async with scene.worker():
        await scan(scene.client, scene.settings)
        await asyncio.wait_for(held.reached.wait(), 30)
        await scene.platform.execute("UPDATE notifications SET started_at = NULL")
        second = await start_scan(scene.client, scene.settings)
        await second.result()
        held.release()
        [notification] = await scene.platform.notifications()
        await finished(scene.client, notification.workflow_id)
    return await runs_of(scene, second.id, second.first_execution_run_id)


async def of_content(scene: Scene) -> list[WorkflowHistory]:
    """AR content with an end of its own, in a project that ends much later."""
    company = await scene.platform.company()
    project = await scene.platform.project(company, expires_at=in_days(400))
    await scene.platform.content(company, project, expires_at=in_days(5))
    return await scanned(scene)


async def too_many(scene: Scene) -> list[WorkflowHistory]:
    await scene.platform.project(await scene.platform.company())
    await scene.platform.project(await scene.platform.company())
    settings = scene.settings.model_copy(update={"scan_max_notices": 1})
    async with replace(scene, settings=settings).worker():
        handle = await start_scan(scene.client, scene.settings)
        await handle.result()
    return await runs_of(scene, handle.id, handle.first_execution_run_id)


async def found_quiet(scene: Scene) -> list[WorkflowHistory]:
    """Its company is in its quiet hours: the scan leaves a workflow behind that wakes when they are over."""
    await scene.platform.project(await scene.platform.company(**quiet_for(QUIET_NOW)))
    async with scene.worker():
        handle = await start_scan(scene.client, scene.settings)
        await handle.result()
        await scene.client.get_workflow_handle(START_HELD).terminate()
    return await runs_of(scene, handle.id, handle.first_execution_run_id)


async def found_quiet_once_more(scene: Scene) -> list[WorkflowHistory]:
    """A second scan finds that workflow asleep, and tells it."""
    await scene.platform.project(await scene.platform.company(**quiet_for(QUIET_NOW)))
    async with scene.worker():
        await scan(scene.client, scene.settings)
        handle = await start_scan(scene.client, scene.settings)
        await handle.result()
        await scene.client.get_workflow_handle(START_HELD).terminate()
    return await runs_of(scene, handle.id, handle.first_execution_run_id)


async def slept_and_started(scene: Scene) -> list[WorkflowHistory]:
    """The quiet hours of one company end at once, and those of another are changed while it sleeps."""
    await scene.platform.project(await scene.platform.company(**quiet_for(timedelta(seconds=8))))
    await scene.platform.project(await scene.platform.company(**quiet_for(QUIET_NOW)))
    async with scene.worker():
        await scan(scene.client, scene.settings)
        first = await scene.client.get_workflow_handle(START_HELD).describe()
        await scene.sink.wait_for(1, 60)
        await scene.platform.execute("UPDATE companies SET quiet_from = NULL, quiet_until = NULL")
        await scan(scene.client, scene.settings)
        await start_held_now(scene.client, scene.settings)
        await scene.client.get_workflow_handle(START_HELD).result()
        for notification in await scene.platform.notifications():
            await finished(scene.client, notification.workflow_id)
    return await runs_of(scene, START_HELD, first.run_id)


SHAPES = (
    nothing_due,
    pages_and_batches,
    waited_for_room,
    child_running_already,
    lost_child_recovered,
    of_content,
    too_many,
    found_quiet,
    found_quiet_once_more,
)
HELD_SHAPES = (slept_and_started,)
