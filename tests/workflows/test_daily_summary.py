"""The daily summary reaches the operators, once for each day."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import ScheduleActionExecutionStartWorkflow, ScheduleBackfill, ScheduleOverlapPolicy

from contracts.queues import WORKFLOWS, task_queue
from contracts.summarising import DailySummaryInput, DailySummaryResult
from temporal import schedules
from temporal.schedules import DAILY_SUMMARY
from tests.support.health_scene import ADMIN, ADMIN_CHAT
from tests.support.scanning import finished
from tests.support.scene import PATIENCE, Scene
from workflows.daily_summary import DailySummaryWorkflow

AT = datetime(2026, 11, 25, 8, tzinfo=UTC)


@pytest.fixture
def operated(scene: Scene) -> Scene:
    return scene.with_settings(admin_email=ADMIN, telegram_admin_chat_id=ADMIN_CHAT)


async def summarise(scene: Scene, at: datetime = AT) -> DailySummaryResult:
    return await scene.client.execute_workflow(
        DailySummaryWorkflow.run,
        DailySummaryInput(at),
        id=f"summary-{at:%Y%m%d}",
        task_queue=task_queue(scene.settings.task_queue_prefix, WORKFLOWS),
    )


async def test_the_admin_gets_it_on_both_channels_and_a_day_is_told_once(operated: Scene) -> None:
    scene = operated.with_settings(alert_cooldown=86_400)
    async with scene.worker():
        first = await summarise(scene)
        again = await summarise(scene)
        next_day = await summarise(scene, AT + timedelta(days=1))
        await scene.children_end()

    assert (first.day, again.day, next_day.day) == ("2026-11-24", "2026-11-24", "2026-11-25")
    assert again.notification_id is None
    notifications = await scene.platform.notifications()
    assert [each.id for each in notifications] == [first.notification_id, next_day.notification_id]
    assert [each.dedupe_key for each in notifications] == [
        "alert.daily-summary.20261124",
        "alert.daily-summary.20261125",
    ]
    assert {(each.notification_type, each.status) for each in notifications} == {("alert", "delivered")}
    mails = scene.sink.to(ADMIN)
    assert sorted(mail.subject for mail in mails) == [
        "Daily summary, Tuesday, November 24, 2026: 0 sent, 0 rejected, 0 in doubt",
        "Daily summary, Wednesday, November 25, 2026: 0 sent, 0 rejected, 0 in doubt",
    ]
    messages = [message.text for message in scene.telegram.to(ADMIN_CHAT)]
    assert sum("Tuesday, November 24, 2026: 0 messages sent" in text for text in messages) == 1
    assert len(messages) == 2
    assert await scene.platform.rows("SELECT code FROM problems") == []


async def test_it_comes_in_the_admins_language_while_sending_is_paused(operated: Scene) -> None:
    scene = operated.with_settings(admin_locale="ru")
    await scene.platform.execute("INSERT INTO pauses (operator, why) VALUES ('anna', 'a bad text')")
    async with scene.worker():
        await summarise(scene)
        await scene.children_end()

    [mail] = scene.sink.to(ADMIN)
    assert mail.subject.startswith("Сводка за день, вторник, 24 ноября")
    body = mail.message.get_body(("html",))
    assert body is not None
    html = body.get_content()
    assert '<html lang="ru" dir="ltr">' in html
    assert "Открытых проблем нет." in html
    [message] = scene.telegram.to(ADMIN_CHAT)
    assert "отправлено 0 сообщений, отклонено 0, под вопросом 0." in message.text


async def test_without_an_admin_nobody_is_told(scene: Scene) -> None:
    async with scene.worker():
        assert await summarise(scene) == DailySummaryResult("2026-11-24")
    assert await scene.platform.notifications() == []


async def test_a_run_of_the_schedule_summarises_the_day_before_the_time_it_was_meant_for(operated: Scene) -> None:
    scene = operated.with_settings(daily_summary_cron="0 6 * * *", expiry_scan_timezone="Asia/Tokyo")
    await schedules.apply(scene.client, scene.settings)
    meant_for = datetime(2026, 11, 20, 21, tzinfo=UTC)  # 6 o'clock on the 21st in Tokyo
    hour = timedelta(hours=1)
    async with scene.worker():
        handle = scene.client.get_schedule_handle(DAILY_SUMMARY)
        await handle.backfill(
            ScheduleBackfill(meant_for - hour, meant_for + hour, overlap=ScheduleOverlapPolicy.ALLOW_ALL)
        )
        async with asyncio.timeout(PATIENCE):
            while not (actions := (await handle.describe()).info.recent_actions):
                await asyncio.sleep(0.1)  # the server tells nobody
        [started] = [each.action for each in actions]
        assert isinstance(started, ScheduleActionExecutionStartWorkflow)
        await finished(scene.client, started.workflow_id)
        await scene.children_end()
    [notification] = await scene.platform.notifications()
    assert notification.metadata["summary"] == "2026-11-20"
