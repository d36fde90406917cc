"""An operator resets or terminates a workflow in the Web UI: nothing that was accepted goes out a second time."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowHistory

from contracts.scanning import ScanExpiringResult
from local.stand_ins.smtp_actions import Reply
from local.stand_ins.telegram_answers import too_many_requests
from tests.support.scanning import start_scan
from tests.support.scene import PATIENCE, Scene, events

LATER = Reply(451, "4.3.0 try later")
HOUR = 3600


async def reset(scene: Scene, history: WorkflowHistory, to: HistoryEvent) -> None:
    await scene.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=scene.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=history.workflow_id, run_id=history.run_id),
            reason="an operator wants to see it again",
            workflow_task_finish_event_id=to.event_id,
            request_id=str(uuid4()),
        )
    )


def points(history: WorkflowHistory) -> list[HistoryEvent]:
    """Where the Web UI offers to reset a workflow to."""
    return events(history, "WORKFLOW_TASK_COMPLETED")


async def test_a_finished_child_reset_to_any_point_sends_nothing(scene: Scene) -> None:
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await scene.children_end()
        child = await scene.child()
        first, deliveries = await child.result(), await scene.platform.deliveries()
        history = await child.fetch_history()
        assert len(points(history)) >= 2
        for point in points(history):
            await reset(scene, history, point)
            assert await (await scene.child()).result() == first
    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (1, 1)
    assert await scene.platform.deliveries() == deliveries


async def test_a_waiting_child_reset_to_any_point_sends_once_and_only_what_was_not_accepted(scene: Scene) -> None:
    """Also after it was told why it waits: the server hands that signal to the new run."""
    scene.telegram.always("request", too_many_requests(HOUR))
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await scene.sink.wait_for(1, PATIENCE)
        await scene.put_off("telegram", "telegram_429")
        history = await (await scene.child()).fetch_history()
        for point in points(history):
            await reset(scene, history, point)
            await scene.put_off("telegram", "telegram_429")
        scene.telegram.clear()
        history = await (await scene.child()).fetch_history()
        await reset(scene, history, points(history)[0])  # an operator does not want to wait for an hour
        await scene.children_end()
    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (1, 1)
    assert await scene.ends() == ("delivered", "accepted", "accepted")


async def test_a_scan_reset_to_its_beginning_tells_nobody_again(scene: Scene) -> None:
    for chat in (1, 2, 3):
        await scene.due_project(telegram_chat_id=chat, contact_email=f"owner{chat}@customer.example")
    async with scene.worker():
        scanning = await start_scan(scene.client, scene.settings)
        await scanning.result()
        await scene.children_end()
        history = await scanning.fetch_history()
        await reset(scene, history, points(history)[0])
        again: ScanExpiringResult = await scene.client.get_workflow_handle(
            scanning.id, result_type=ScanExpiringResult
        ).result()
        await scene.children_end()
    assert (again.opened, again.started) == (0, 0)
    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (3, 3)


async def test_a_child_terminated_after_its_mail_was_accepted_is_settled_and_the_mail_stays_the_only_one(
    scene: Scene,
) -> None:
    scene.telegram.always("request", too_many_requests(HOUR))
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await scene.put_off("telegram", "telegram_429")
        await scene.delivery_becomes("email", "accepted")
        await (await scene.child()).terminate("an operator means it")
        scene.telegram.clear()
        for _ in range(2):
            await scene.scan()
    assert (len(scene.sink.messages), scene.telegram.messages) == (1, [])
    assert await scene.ends() == ("delivered", "accepted", "failed")


async def test_a_terminated_scan_is_made_up_for_by_the_next_and_nobody_is_told_twice(scene: Scene) -> None:
    for chat in (1, 2, 3):
        await scene.due_project(telegram_chat_id=chat, contact_email=f"owner{chat}@customer.example")
    gate = scene.sink.hold("dot")
    async with scene.worker():
        scanning = await start_scan(scene.client, scene.settings)
        await asyncio.wait_for(gate.reached.wait(), PATIENCE)
        await scanning.terminate("an operator means it")
        gate.release()
        await scene.scan()
        await scene.children_end()
    assert sorted(mail.recipients for mail in scene.sink.messages) == [
        (f"owner{chat}@customer.example",) for chat in (1, 2, 3)
    ]
    assert len(scene.telegram.messages) == 3
