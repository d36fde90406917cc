"""`ResumeChannelWorkflow`, which a channel's stop starts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from temporalio.client import WorkflowHistory

from channels.telegram.plan import TELEGRAM
from temporal.stops import TemporalStops, resume_id
from tests.support.scene import Scene


async def slept_and_resumed(scene: Scene) -> list[WorkflowHistory]:
    return await _stopped_for(scene, timedelta(seconds=2))


async def stopped_for_longer(scene: Scene) -> list[WorkflowHistory]:
    """It finds that the stop is not over, and sleeps again."""
    return await _stopped_for(scene, timedelta(seconds=2), timedelta(seconds=5))


async def _stopped_for(scene: Scene, *each: timedelta) -> list[WorkflowHistory]:
    stops, now = TemporalStops(scene.client, scene.settings, scene.platform.engine), datetime.now(UTC)
    for time in each:
        await stops.stop(TELEGRAM.name, now + time)
    async with scene.worker():
        await scene.client.get_workflow_handle(resume_id(scene.settings, TELEGRAM.name)).result()
    return [await scene.history(resume_id(scene.settings, TELEGRAM.name))]


SHAPES = (slept_and_resumed, stopped_for_longer)
