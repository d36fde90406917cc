"""Scans after and beside each other: nobody is told twice."""

from __future__ import annotations

import asyncio
from collections import Counter

from contracts.scanning import ScanExpiringResult
from tests.support.scanning import start_scan
from tests.support.scene import PATIENCE, Scene

ITEMS = 12


async def many_due(scene: Scene) -> None:
    """Projects of three companies."""
    companies = [await scene.platform.company() for _ in range(3)]
    for number in range(ITEMS):
        await scene.platform.project(companies[number % 3])


async def assert_each_was_told_once(scene: Scene) -> None:
    notifications = await scene.platform.notifications()
    assert len({each.project_id for each in notifications}) == len(notifications) == ITEMS
    assert {each.status for each in notifications} == {"delivered"}
    mails = Counter(mail.notification_id for mail in scene.sink.messages)
    assert mails == Counter(str(each.id) for each in notifications)
    assert Counter(message.text for message in scene.telegram.messages).most_common(1)[0][1] == 1
    assert len(scene.telegram.messages) == ITEMS
    assert {(each.status, each.attempts) for each in await scene.platform.deliveries()} == {("accepted", 1)}


async def test_a_second_scan_finds_nothing_to_tell(scene: Scene) -> None:
    await many_due(scene)
    async with scene.worker():
        assert await scene.scan() == ScanExpiringResult(found=ITEMS, opened=ITEMS, started=ITEMS)
        await scene.children_end()
        assert await scene.scan() == ScanExpiringResult(found=0, opened=0, started=0)
    await assert_each_was_told_once(scene)


async def test_a_scan_while_the_first_ones_mails_are_under_way_starts_nothing(scene: Scene) -> None:
    await many_due(scene)
    held = scene.sink.hold("dot")
    async with scene.worker():
        await scene.scan()
        await asyncio.wait_for(held.reached.wait(), PATIENCE)
        assert await scene.scan() == ScanExpiringResult(found=0, opened=0, started=0)
        held.release()
        await scene.children_end()
    await assert_each_was_told_once(scene)


async def test_scans_at_the_same_time_share_the_work(scene: Scene) -> None:
    """Small pages and batches, so that they meet at every step."""
    await many_due(scene)
    held = scene.sink.hold("rcpt")
    async with scene.worker():
        scans = [await start_scan(scene.client, scene.settings, page_size=4, batch_size=3) for _ in range(3)]
        results = await asyncio.gather(*(scan.result() for scan in scans))
        held.release()
        await scene.children_end()
    assert sum(result.opened for result in results) == ITEMS
    assert sum(result.started for result in results) == ITEMS
    await assert_each_was_told_once(scene)


async def test_a_scan_after_one_that_was_terminated_between_start_and_record_starts_what_stands_open(
    scene: Scene,
) -> None:
    """The first one's children run, but no row says so: their workflow IDs do."""
    await many_due(scene)
    held = scene.sink.hold("rcpt")
    async with scene.worker():
        await scene.scan()
        await asyncio.wait_for(held.reached.wait(), PATIENCE)
        await scene.platform.execute("UPDATE notifications SET started_at = NULL")
        assert await scene.scan() == ScanExpiringResult(found=0, opened=0, started=0)
        held.release()
        await scene.children_end()
    assert await scene.platform.scalar("SELECT count(*) FROM notifications WHERE started_at IS NULL") == 0
    await assert_each_was_told_once(scene)
