"""`SendNotificationWorkflow`."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from temporalio.client import WorkflowFailureError, WorkflowHistory

from local.stand_ins.smtp_actions import Reply
from local.stand_ins.telegram_answers import blocked, server_error, too_many_requests
from tests.replay.shapes.runs import sent
from tests.support.data import in_days
from tests.support.scanning import finished, scan, start_scan
from tests.support.scene import Scene
from workflows.search_attributes import WAITING_FOR
from workflows.send_notification import SendNotificationWorkflow


async def both_accepted(scene: Scene) -> list[WorkflowHistory]:
    await scene.platform.project(await scene.platform.company())
    return await sent(scene)


async def one_rejected(scene: Scene) -> list[WorkflowHistory]:
    await scene.platform.project(await scene.platform.company(telegram_chat_id=5))
    scene.telegram.always("request", blocked(), recipient=5)
    return await sent(scene)


async def retried(scene: Scene) -> list[WorkflowHistory]:
    await scene.platform.project(await scene.platform.company())
    scene.sink.on("rcpt", Reply(450, "4.2.0 greylisted"))
    return await sent(scene)


async def skipped(scene: Scene) -> list[WorkflowHistory]:
    await scene.platform.project(await scene.platform.company(contact_email=None, telegram_enabled=False))
    return await sent(scene)


async def given_up(scene: Scene) -> list[WorkflowHistory]:
    """Both channels are tried until the notice would be pointless."""
    await scene.platform.project(await scene.platform.company(), expires_at=in_days(10 / 86400))
    scene.sink.always("rcpt", Reply(451, "4.3.0 try later"))
    scene.telegram.always("request", server_error())
    return await sent(scene)


async def too_late(scene: Scene) -> list[WorkflowHistory]:
    """Opened in time, started after the item's end: nothing is tried."""
    await scene.platform.project(await scene.platform.company())
    async with scene.worker():
        start = await start_scan(scene.client, scene.settings, batch_size=0)
        while not (opened := await scene.platform.notifications()):
            await asyncio.sleep(0.05)
        await scene.platform.execute("UPDATE notifications SET give_up_at = now() - interval '1 hour'")
        await start.terminate()
        await scan(scene.client, scene.settings)
        await finished(scene.client, opened[0].workflow_id)
    return [await scene.history(opened[0].workflow_id)]


async def cancelled(scene: Scene) -> list[WorkflowHistory]:
    """An operator cancels it while the mail waits for a retry."""
    await scene.platform.project(await scene.platform.company())
    scene.sink.always("rcpt", Reply(451, "4.3.0 try later"))
    async with scene.worker():
        await scan(scene.client, scene.settings)
        await scene.sink.wait_for_stage("rcpt", count=2)
        [notification] = await scene.platform.notifications()
        handle = scene.client.get_workflow_handle(notification.workflow_id)
        await handle.cancel()
        with suppress(WorkflowFailureError):
            await handle.result()
    return [await scene.history(notification.workflow_id)]


async def waited_long(scene: Scene) -> list[WorkflowHistory]:
    """Telegram asks to wait for an hour: the workflow is told why it waits. Then an operator cancels it."""
    await scene.platform.project(await scene.platform.company())
    scene.telegram.always("request", too_many_requests(3600))
    async with scene.worker():
        await scan(scene.client, scene.settings)
        [notification] = await scene.platform.notifications()
        handle = scene.client.get_workflow_handle(notification.workflow_id)
        while not _knows_why_it_waits(await handle.fetch_history()):
            await asyncio.sleep(0.2)  # the server tells nobody
        await handle.cancel()
        with suppress(WorkflowFailureError):
            await handle.result()
    return [await scene.history(notification.workflow_id)]


def _knows_why_it_waits(history: WorkflowHistory) -> bool:
    upserted = (event.upsert_workflow_search_attributes_event_attributes for event in history.events)
    return any(WAITING_FOR.name in attributes.search_attributes.indexed_fields for attributes in upserted)


async def recorded_after_an_outage(scene: Scene) -> list[WorkflowHistory]:
    """The database goes away after the mail was accepted and stays away for longer than the local record waits."""
    await scene.platform.project(await scene.platform.company(telegram_enabled=False))
    held = scene.sink.hold("dot")
    async with scene.worker():
        await scan(scene.client, scene.settings)
        await asyncio.wait_for(held.reached.wait(), 30)
        [notification] = await scene.platform.notifications()
        await scene.postgres.stop()
        held.release()
        handle = scene.client.get_workflow_handle(notification.workflow_id)
        while not _has_fallen_back(await handle.fetch_history()):
            await asyncio.sleep(0.2)  # the server tells nobody
        await scene.postgres.start()
        await handle.result()
    return [await scene.history(notification.workflow_id)]


def _has_fallen_back(history: WorkflowHistory) -> bool:
    """Whether the record became an activity of its own, for as long as the database is away."""
    scheduled = (event.activity_task_scheduled_event_attributes for event in history.events)
    return any(attributes.activity_type.name == "record_outcome" for attributes in scheduled)


async def reopened(scene: Scene) -> list[WorkflowHistory]:
    """An operator has the rejected mail sent again while Telegram is still being tried."""
    return await _reopened(scene, told=True)


async def reopened_and_not_told(scene: Scene) -> list[WorkflowHistory]:
    """The same, and the command died before it told the workflow, which finds out at its record."""
    return await _reopened(scene, told=False)


async def _reopened(scene: Scene, *, told: bool) -> list[WorkflowHistory]:
    await scene.platform.project(await scene.platform.company())
    scene.sink.on("rcpt", Reply(550, "5.2.2 mailbox full"))
    scene.telegram.always("request", server_error())
    async with scene.worker():
        await scan(scene.client, scene.settings)
        while (await scene.platform.deliveries("email"))[0].status != "rejected":
            await asyncio.sleep(0.05)  # the database tells nobody
        await scene.platform.reopen_email(started=False)
        [notification] = await scene.platform.notifications()
        handle = scene.client.get_workflow_handle(notification.workflow_id)
        if told:
            await handle.signal(SendNotificationWorkflow.reopened, "email")
            await scene.sink.wait_for(1, 30)
        scene.telegram.clear()
        await handle.result()
    return [await scene.history(notification.workflow_id)]


SHAPES = (
    both_accepted,
    one_rejected,
    retried,
    skipped,
    given_up,
    too_late,
    cancelled,
    waited_long,
    recorded_after_an_outage,
    reopened,
    reopened_and_not_told,
)
