"""The sweep: open notifications whose workflow is gone, or ended without them."""

from __future__ import annotations

import asyncio

from sqlalchemy.ext.asyncio import AsyncEngine

from activities.recovery import RecoveryActivities
from contracts.queues import WORKFLOWS
from contracts.scanning import RecoverLostInput, ScanExpiringResult
from db.record.recover import StartedNotification
from db.record.settle import LOST_REPLY
from local.stand_ins.smtp_actions import Reply
from local.stand_ins.telegram_answers import server_error
from tests.support.losing import lose_the_child
from tests.support.scene import PATIENCE, Scene

AS_BEFORE = """
UPDATE deliveries SET status = 'pending', reason = NULL, claim_seq = 0, attempts = 0, provider_id = NULL,
       provider_reply = NULL, finished_at = NULL, sending_at = NULL, recipient = NULL
"""


async def started_and_lost(scene: Scene) -> None:
    """Its workflow was started, nobody served the channels, and it was lost."""
    await scene.due_project()
    async with scene.worker(WORKFLOWS):
        await scene.scan()
    await lose_the_child(scene)


async def test_a_notice_whose_workflow_is_lost_is_started_again_and_sent_once(scene: Scene) -> None:
    await started_and_lost(scene)
    async with scene.worker():
        assert await scene.scan() == ScanExpiringResult(found=0, opened=0, started=1, recovered=1)
        await scene.children_end()
        assert await scene.scan() == ScanExpiringResult(found=0, opened=0, started=0)
    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (1, 1)
    assert await scene.ends() == ("delivered", "accepted", "accepted")


async def test_lost_a_second_time_it_is_settled_and_seen(scene: Scene) -> None:
    await started_and_lost(scene)
    async with scene.worker(WORKFLOWS):
        await scene.scan()
    await lose_the_child(scene)
    async with scene.worker():
        assert await scene.scan() == ScanExpiringResult(found=0, opened=0, started=0, recovered=1)
    assert await scene.ends() == ("undelivered", "failed", "failed")
    assert {each.reason for each in await scene.platform.deliveries()} == {"workflow_lost"}
    assert (scene.sink.messages, scene.telegram.messages) == ([], [])


async def test_a_notice_whose_workflow_runs_is_left_alone(scene: Scene) -> None:
    scene.sink.always("rcpt", Reply(451, "4.3.0 not now"))
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await scene.sink.wait_for_stage("rcpt", timeout=PATIENCE)
        assert await scene.scan() == ScanExpiringResult(found=0, opened=0, started=0)
        scene.sink.clear()
        await scene.children_end()
    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (1, 1)


async def test_a_restored_database_that_forgot_what_was_sent_takes_it_over_from_the_workflow(scene: Scene) -> None:
    """The backup is of the time when the workflow had just been started."""
    scene.sink.on("rcpt", Reply(550, "5.2.2 mailbox full"))
    await scene.due_project()
    await scene.scan_and_send()
    await scene.platform.execute("UPDATE notifications SET status = 'open', finished_at = NULL")
    await scene.platform.execute(AS_BEFORE)
    async with scene.worker():
        assert await scene.scan() == ScanExpiringResult(found=0, opened=0, started=0, recovered=1)
    assert (scene.sink.messages, len(scene.telegram.messages)) == ([], 1)
    assert await scene.ends() == ("delivered", "rejected", "accepted")
    ended_at = (await (await scene.child()).describe()).close_time
    notification = await scene.notification()
    assert notification.finished_at == ended_at
    assert notification.metadata["reconstructed_at"] > ended_at.isoformat()
    for channel in ("email", "telegram"):
        delivery = await scene.delivery(channel)
        assert (delivery.finished_at, delivery.provider_reply) == (ended_at, LOST_REPLY)
    assert await scene.platform.scalar("SELECT last_notification_sent_at FROM projects") == ended_at


async def test_a_restored_database_that_forgot_the_notice_itself_says_nothing_twice(scene: Scene) -> None:
    """The backup is older than the scan: the notice is opened again, and its workflow has ended under the same id."""
    await scene.due_project()
    await scene.scan_and_send()
    await scene.platform.execute("DELETE FROM notifications")
    async with scene.worker():
        assert await scene.scan() == ScanExpiringResult(found=1, opened=1, started=0)
        assert await scene.scan() == ScanExpiringResult(found=0, opened=0, started=0, recovered=1)
    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (1, 1)
    assert await scene.ends() == ("delivered", "accepted", "accepted")


async def test_a_cancelled_workflow_that_left_no_record_is_settled_as_cancelled(scene: Scene) -> None:
    await scene.due_project()
    async with scene.worker(WORKFLOWS):
        await scene.scan()
        child = await scene.child()
        await child.cancel()
        async with asyncio.timeout(PATIENCE):
            while not (await child.describe()).close_time:
                await asyncio.sleep(0.05)  # the server tells nobody
        await scene.platform.execute("UPDATE notifications SET status = 'open', finished_at = NULL")
        await scene.platform.execute(AS_BEFORE)
        assert await scene.scan() == ScanExpiringResult(found=0, opened=0, started=0, recovered=1)
    assert {(each.status, each.reason) for each in await scene.platform.deliveries()} == {("failed", "cancelled")}


async def test_of_two_sweeps_at_the_same_time_one_restarts_it_and_the_other_leaves_it(
    scene: Scene, engine: AsyncEngine
) -> None:
    await started_and_lost(scene)
    found = asyncio.Barrier(2)

    class Meeting(RecoveryActivities):
        """Both have read the row before either of them writes."""

        async def _start_again(self, notification: StartedNotification) -> bool:
            await found.wait()
            return await super()._start_again(notification)

    sweep = Meeting(engine, scene.client)
    results = await asyncio.gather(*(sweep.recover_lost(RecoverLostInput()) for _ in range(2)))
    assert sorted((each.restarted, each.settled) for each in results) == [(0, 0), (1, 0)]
    await scene.scan_and_send()
    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (1, 1)


async def test_what_was_reopened_after_its_workflow_had_ended_is_started_anew(scene: Scene) -> None:
    """The command was told that the workflow runs, and it ended before it heard of it."""
    scene.sink.on("rcpt", Reply(550, "5.2.2 mailbox full"))
    await scene.due_project()
    await scene.scan_and_send()
    await scene.platform.reopen_email(started=True)
    async with scene.worker():
        assert await scene.scan() == ScanExpiringResult(found=0, opened=0, started=1, recovered=1)
        await scene.children_end()
    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (1, 1)
    assert await scene.ends() == ("delivered", "accepted", "accepted")


async def test_what_was_reopened_and_then_terminated_is_settled(scene: Scene) -> None:
    scene.sink.on("rcpt", Reply(550, "5.2.2 mailbox full"))
    scene.telegram.always("request", server_error())
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await scene.delivery_becomes("email", "rejected")
        await scene.platform.reopen_email(started=True)
        await (await scene.child()).terminate("an operator means it")
        assert await scene.scan() == ScanExpiringResult(found=0, opened=0, started=0, recovered=1)
    assert await scene.ends() == ("undelivered", "failed", "failed")
    assert scene.sink.messages == []


async def test_the_next_scan_tells_a_running_workflow_of_what_was_reopened(scene: Scene) -> None:
    """The command died before it could."""
    scene.sink.on("rcpt", Reply(550, "5.2.2 mailbox full"))
    scene.telegram.always("request", server_error())
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await scene.delivery_becomes("email", "rejected")
        await scene.platform.reopen_email(started=False)
        await scene.scan()
        await scene.sink.wait_for(1, PATIENCE)
        assert scene.telegram.messages == []
        scene.telegram.clear()
        await scene.children_end()
    assert await scene.ends() == ("delivered", "accepted", "accepted")


async def test_what_was_reopened_and_not_taken_up_until_it_is_pointless_is_given_up(scene: Scene) -> None:
    """Nobody serves the mail queue until the deadline has passed: the workflow does not go round for ever."""
    scene.sink.on("rcpt", Reply(550, "5.2.2 mailbox full"))
    await scene.due_project()
    await scene.scan_and_send()
    await scene.platform.reopen_email(started=False)
    await scene.platform.execute("UPDATE notifications SET give_up_at = now() + interval '3 seconds'")
    async with scene.worker(WORKFLOWS, "telegram"):
        await scene.scan()
        await scene.children_end()
    assert await scene.ends() == ("delivered", "failed", "accepted")
    assert (await scene.delivery("email")).reason == "gave_up"
