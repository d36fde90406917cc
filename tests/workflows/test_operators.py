"""What operators do to a child by hand: it is recorded, and nothing goes out twice."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import CancelledError

from channels.configured import send_options
from contracts.queues import WORKFLOWS, task_queue
from contracts.scanning import ScanExpiringResult
from contracts.sending import SendNotificationInput
from local.stand_ins.smtp_actions import Reply
from local.stand_ins.telegram_answers import blocked
from tests.support.scene import PATIENCE, Scene, events
from workflows.send_notification import SendNotificationWorkflow

LATER = Reply(451, "4.3.0 try later")


async def cancel(scene: Scene) -> None:
    child = await scene.child()
    await child.cancel()
    with pytest.raises(WorkflowFailureError) as failure:
        await child.result()
    assert isinstance(failure.value.cause, CancelledError)


async def test_cancelled_while_the_mail_waits_for_a_retry_the_rest_stays_as_it_was(scene: Scene) -> None:
    scene.sink.always("rcpt", LATER)
    await scene.due_project()
    async with scene.worker():
        await scene.with_settings(email_retry_initial=600).scan()
        await scene.telegram.wait_for(1, PATIENCE)
        await scene.sink.wait_for_stage("rcpt", timeout=PATIENCE)
        await cancel(scene)

    assert (await (await scene.child()).describe()).status is WorkflowExecutionStatus.CANCELED
    assert await scene.ends() == ("delivered", "failed", "accepted")
    email = await scene.delivery("email")
    assert (email.reason, email.attempts) == ("cancelled", 1)


async def test_cancelled_before_any_attempt_it_is_undelivered_and_no_scan_starts_it_again(scene: Scene) -> None:
    await scene.due_project()
    async with scene.worker(WORKFLOWS):
        await scene.scan()
        await cancel(scene)
        assert await scene.scan() == ScanExpiringResult(found=0, opened=0, started=0)

    assert await scene.ends() == ("undelivered", "failed", "failed")
    assert {(each.reason, each.attempts) for each in await scene.platform.deliveries()} == {("cancelled", 0)}
    assert (scene.sink.connections_opened, scene.telegram.connections_opened) == (0, 0)


async def test_cancelled_in_the_midst_of_handing_over_it_ends_unknown(scene: Scene) -> None:
    """The text is with the mail server, and the attempt is called off before the answer."""
    held = scene.sink.hold("dot")
    await scene.due_project()
    async with scene.worker(WORKFLOWS, "email"):
        await scene.scan()
        await asyncio.wait_for(held.reached.wait(), PATIENCE)
        await cancel(scene)
        held.release()

    assert scene.sink.messages == []
    assert await scene.ends() == ("in_doubt", "unknown", "failed")
    assert {(each.reason, each.attempts) for each in await scene.platform.deliveries()} == {
        ("cancelled", 1),
        ("cancelled", 0),
    }


async def test_cancelled_at_the_moment_one_channel_ends_it_waits_for_the_other(scene: Scene) -> None:
    """Both reach the workflow in the same task: the mail is still being handed over, and its end is to be recorded."""
    mail, message = scene.sink.hold("dot"), scene.telegram.hold("request")
    await scene.due_project()
    async with scene.worker("email", "telegram"):
        async with scene.worker(WORKFLOWS):
            await scene.scan()
            await asyncio.wait_for(mail.reached.wait(), PATIENCE)
            await asyncio.wait_for(message.reached.wait(), PATIENCE)
        message.release()
        async with asyncio.timeout(PATIENCE):
            while not events(await scene.history(), "ACTIVITY_TASK_COMPLETED"):
                await asyncio.sleep(0.05)  # the server tells nobody
        await (await scene.child()).cancel()
        async with scene.worker(WORKFLOWS):
            with pytest.raises(WorkflowFailureError):
                await (await scene.child()).result()
        mail.release()

    assert len(events(await scene.history(), "ACTIVITY_TASK_CANCELED")) == 1
    assert scene.sink.messages == []
    assert await scene.ends() == ("delivered", "unknown", "accepted")


async def test_terminated_it_is_settled_by_the_next_scan_and_not_started_again(scene: Scene) -> None:
    scene.sink.always("rcpt", LATER)
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await scene.telegram.wait_for(1, PATIENCE)
        await scene.sink.wait_for_stage("rcpt", timeout=PATIENCE)
        await (await scene.child()).terminate("an operator means it")
        scene.sink.clear()
        assert await scene.scan() == ScanExpiringResult(found=0, opened=0, started=0, recovered=1)

    assert (await (await scene.child()).describe()).status is WorkflowExecutionStatus.TERMINATED
    assert (scene.sink.messages, len(scene.telegram.messages)) == ([], 1)
    assert await scene.ends() == ("delivered", "failed", "accepted")
    assert (await scene.delivery("email")).reason == "terminated"


async def test_a_finished_child_started_again_sends_nothing_and_ends_the_same(scene: Scene) -> None:
    scene.telegram.on("request", blocked())
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await scene.children_end()
        first = await (await scene.child()).result()
        notification, deliveries = await scene.notification(), await scene.platform.deliveries()
        again = await scene.client.execute_workflow(
            SendNotificationWorkflow.run,
            SendNotificationInput(notification.id, notification.give_up_at, send_options(scene.settings)),
            id=notification.workflow_id,
            task_queue=task_queue(scene.settings.task_queue_prefix, WORKFLOWS),
        )

    assert again == first
    assert (len(scene.sink.messages), scene.telegram.attempts("request")) == (1, 1)
    assert await scene.notification() == notification
    assert await scene.platform.deliveries() == deliveries


async def test_a_finished_child_reset_to_its_beginning_sends_nothing_and_ends_the_same(scene: Scene) -> None:
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await scene.children_end()
        child = await scene.child()
        first = await child.result()
        deliveries = await scene.platform.deliveries()
        finished = await child.fetch_history()
        [beginning, *_] = events(finished, "WORKFLOW_TASK_COMPLETED")
        reset = await scene.client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=scene.client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=child.id, run_id=finished.run_id),
                reason="an operator wants to see it again",
                workflow_task_finish_event_id=beginning.event_id,
                request_id="reset",
            )
        )
        assert reset.run_id != finished.run_id
        assert await (await scene.child()).result() == first

    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (1, 1)
    assert await scene.platform.deliveries() == deliveries
