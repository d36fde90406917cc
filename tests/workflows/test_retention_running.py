"""The retention as its Schedule and an operator run it, beside the sending."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from contracts.retention import ApplyRetentionInput, ApplyRetentionResult
from local.stand_ins.smtp_actions import Reply
from temporal import schedules
from temporal.schedules import APPLY_RETENTION
from tests.support.aging import age
from tests.support.command_line import operate
from tests.support.scanning import scan, start_retention
from tests.support.scene import PATIENCE, Scene

KEEP = {"texts_keep_days": 100, "record_keep_days": 400}
ENVIRONMENT = {name.upper(): str(days) for name, days in KEEP.items()}


async def old_notifications(scene: Scene, count: int) -> None:
    """So many, each sent 600 days ago about an end that is past."""
    project = await scene.platform.project(await scene.platform.company(), status="archived")
    for _ in range(count):
        await scene.platform.notification(project, status="delivered", finished_at=datetime.now(UTC))
    await scene.platform.execute("UPDATE deliveries SET status = 'accepted', body = 'Dear Anna', recipient = 'anna'")
    await age(scene.platform, 600)


async def test_the_schedule_is_there_while_a_setting_wants_it_and_the_health_check_expects_it(scene: Scene) -> None:
    wanting = scene.with_settings(**KEEP, retention_cron="15 2 * * *").settings
    names = [each.schedule_id for each in schedules.watched_schedules(scene.settings)]
    assert APPLY_RETENTION not in names
    with_it = [*names, APPLY_RETENTION]
    assert await schedules.apply(scene.client, wanting) == [(name, "created") for name in with_it]
    assert [each.schedule_id for each in schedules.watched_schedules(wanting)] == with_it
    schedule = (await scene.client.get_schedule_handle(APPLY_RETENTION).describe()).schedule
    assert (schedule.spec.calendars[0].hour[0].start, schedule.spec.calendars[0].minute[0].start) == (2, 15)
    assert await schedules.apply(scene.client, scene.settings) == [
        *((name, "updated") for name in names),
        (APPLY_RETENTION, "deleted"),
    ]
    assert [each.schedule_id for each in schedules.watched_schedules(scene.settings)] == names
    assert await schedules.apply(scene.client, scene.settings) == [(name, "updated") for name in names]


async def test_it_removes_page_by_page_over_several_runs_while_others_send(scene: Scene) -> None:
    await old_notifications(scene, 9)
    scene.sink.on("rcpt", Reply(450, "4.2.0 greylisted"))
    await scene.due_project()
    removing = scene.with_settings(**KEEP)
    async with removing.worker():
        retention = await start_retention(
            scene.client, removing.settings, ApplyRetentionInput(steps_per_run=1, pages_per_step=1)
        )
        await scan(scene.client, removing.settings)
        assert await retention.result() == ApplyRetentionResult(texts=9, records=9, entries=0)
        async with asyncio.timeout(PATIENCE):
            await scene.children_end()
    assert await scene.ends() == ("delivered", "accepted", "accepted")
    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (1, 1)
    assert len(await scene.platform.deliveries()) == 2


async def test_an_operator_counts_and_then_removes(scene: Scene) -> None:
    await old_notifications(scene, 2)
    await scene.platform.execute("UPDATE notifications SET status = 'in_doubt' WHERE id = 1")
    counted = await operate(scene, "retention", "--dry-run", **ENVIRONMENT)
    assert counted.json == {"texts": 2, "records": 1, "still_needed": 1}
    assert len(await scene.platform.notifications()) == 2
    removing = scene.with_settings(**KEEP)
    async with removing.worker():
        removed = await operate(scene, "retention", "--wait", **ENVIRONMENT)
    shown = {name: removed.json[name] for name in ("texts", "records", "entries", "done")}
    assert shown == {"texts": 2, "records": 1, "entries": 0, "done": True}
    assert [each.status for each in await scene.platform.notifications()] == ["in_doubt"]


async def test_without_a_setting_the_command_says_so(scene: Scene) -> None:
    ended = await operate(scene, "retention")
    assert (ended.status, "TEXTS_KEEP_DAYS: set this, RECORD_KEEP_DAYS or both" in ended.err) == (2, True)
