"""Workers that are stopped or killed in the middle of a scan: nothing is lost and nothing sent twice."""

from __future__ import annotations

import asyncio
from collections import Counter

from contracts.scanning import ScanExpiringResult
from tests.support.scanning import start_scan
from tests.support.scene import PATIENCE, Scene
from tests.support.worker_process import CRASHING_WORKER, notice_the_death_soon, worker_process

ITEMS = 12


async def many_due(scene: Scene) -> None:
    company = await scene.platform.company()
    for _ in range(ITEMS):
        await scene.platform.project(company)


async def assert_each_was_told_once(scene: Scene) -> None:
    notifications = await scene.platform.notifications()
    assert len(notifications) == ITEMS
    assert Counter(mail.notification_id for mail in scene.sink.messages) == Counter(
        str(each.id) for each in notifications
    )
    assert len({message.text for message in scene.telegram.messages}) == len(scene.telegram.messages) == ITEMS
    assert {(each.status, each.possible_duplicate) for each in await scene.platform.deliveries()} == {
        ("accepted", False)
    }


async def test_a_worker_told_to_stop_ends_what_it_has_begun_and_another_goes_on(scene: Scene) -> None:
    """Three notices are being handed over, four are in flight, the scan waits for room with the rest."""
    scene = scene.with_settings(worker_concurrency=3, scan_max_in_flight=4)
    await many_due(scene)
    mails, messages = scene.sink.hold("dot"), scene.telegram.hold("request")
    async with worker_process(scene) as first:
        scan = await start_scan(scene.client, scene.settings)
        async with asyncio.timeout(PATIENCE):
            while (
                await scene.platform.scalar("SELECT count(*) FROM notifications WHERE started_at IS NOT NULL") < 7
                or scene.sink.attempts("dot") < 3
                or scene.telegram.attempts("request") < 3
            ):
                await asyncio.sleep(0.05)  # another process does it
        first.tell_to_stop()
        async with worker_process(scene) as second:
            mails.release()
            messages.release()
            assert await first.exit_status() == 0
            assert await scan.result() == ScanExpiringResult(found=ITEMS, opened=ITEMS, started=ITEMS)
            await scene.children_end()
            second.tell_to_stop()
            assert await second.exit_status() == 0
    await assert_each_was_told_once(scene)


async def test_a_worker_killed_between_a_pages_commit_and_its_report_loses_nothing(scene: Scene) -> None:
    """The page that is tried again finds nothing; what stands open is started all the same."""
    await many_due(scene)
    async with worker_process(scene, (*CRASHING_WORKER, "page-committed")) as dying:
        scan = await start_scan(scene.client, scene.settings)
        assert await dying.exit_status() == -9
    assert {each.status for each in await scene.platform.notifications()} == {"open"}

    async with scene.worker():
        await notice_the_death_soon(scene, scan.id, "open_due_notifications")
        assert await scan.result() == ScanExpiringResult(found=0, opened=0, started=ITEMS)
        await scene.children_end()
    await assert_each_was_told_once(scene)


async def test_a_worker_killed_while_answers_are_on_their_way_leaves_a_doubt_and_no_silent_copy(scene: Scene) -> None:
    """Both servers took the message: the mail comes again as the same one, Telegram's is not sent again."""
    await scene.due_project()
    mail, message = scene.sink.hold("reply"), scene.telegram.hold("reply")
    async with worker_process(scene) as killed:
        scan = await start_scan(scene.client, scene.settings)
        await asyncio.wait_for(mail.reached.wait(), PATIENCE)
        await asyncio.wait_for(message.reached.wait(), PATIENCE)
        await scan.result()
        killed.kill()
        assert await killed.exit_status() == -9
    scene.sink.clear()
    scene.telegram.clear()

    child = await scene.child()
    async with scene.worker():
        for activity in ("send_email", "send_telegram"):
            await notice_the_death_soon(scene, child.id, activity)
        await scene.children_end()
    assert await scene.ends() == ("delivered", "accepted", "unknown")
    first, second = scene.sink.messages
    assert first.message_id == second.message_id
    assert (await scene.delivery("email")).possible_duplicate
    assert len(scene.telegram.messages) == 1
