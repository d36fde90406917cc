"""The Schedule of the scan, made from the settings as often as one likes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from temporalio.client import ScheduleActionExecutionStartWorkflow, ScheduleBackfill, ScheduleOverlapPolicy
from temporalio.service import RPCError

from temporal import schedules
from temporal.schedules import CHECK_HEALTH, DAILY_SUMMARY, DEACTIVATE_EXPIRED, SCAN_EXPIRING
from tests.support.scanning import finished
from tests.support.scene import PATIENCE, Scene

NINE_IN_BERLIN: dict[str, object] = {"expiry_scan_cron": "0 9 * * *", "expiry_scan_timezone": "Europe/Berlin"}


async def test_applied_twice_it_is_created_and_then_brought_up_to_date(scene: Scene) -> None:
    names = (SCAN_EXPIRING, DEACTIVATE_EXPIRED, CHECK_HEALTH, DAILY_SUMMARY)
    assert await schedules.apply(scene.client, scene.settings) == [(name, "created") for name in names]
    assert await schedules.apply(scene.client, scene.settings) == [(name, "updated") for name in names]


async def test_it_runs_when_the_settings_say_on_the_clock_they_name(scene: Scene) -> None:
    await schedules.apply(scene.client, scene.with_settings(**NINE_IN_BERLIN).settings)
    description = await scene.client.get_schedule_handle(SCAN_EXPIRING).describe()
    assert description.schedule.spec.time_zone_name == "Europe/Berlin"
    times = [each.astimezone(ZoneInfo("Europe/Berlin")) for each in description.info.next_action_times]
    assert len({each.date() for each in times}) == len(times) > 1
    for each in times:  # up to half a minute late, so that not all deployments scan at once
        assert each.replace(hour=9, minute=0, second=0, microsecond=0) <= each
        assert each - each.replace(hour=9, minute=0, second=0, microsecond=0) <= schedules.JITTER


async def test_a_scan_still_running_is_not_joined_by_another_and_a_missed_one_is_made_up_for_within_a_day(
    scene: Scene,
) -> None:
    await schedules.apply(scene.client, scene.settings)
    policy = (await scene.client.get_schedule_handle(SCAN_EXPIRING).describe()).schedule.policy
    assert policy.overlap is ScheduleOverlapPolicy.SKIP
    assert policy.catchup_window == timedelta(days=1)


async def test_the_deactivation_runs_when_its_setting_says_in_utc_and_one_at_a_time(scene: Scene) -> None:
    scene = scene.with_settings(deactivate_cron="20 * * * *", **NINE_IN_BERLIN)
    await schedules.apply(scene.client, scene.settings)
    description = await scene.client.get_schedule_handle(DEACTIVATE_EXPIRED).describe()
    assert description.schedule.spec.time_zone_name == "UTC"
    assert {each.minute for each in description.info.next_action_times} == {20}
    assert description.schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert description.schedule.policy.catchup_window == timedelta(hours=3)


async def test_a_health_check_that_was_missed_is_not_made_up_for(scene: Scene) -> None:
    await schedules.apply(scene.client, scene.settings)
    schedule = (await scene.client.get_schedule_handle(CHECK_HEALTH).describe()).schedule
    assert [each.every for each in schedule.spec.intervals] == [timedelta(seconds=scene.settings.health_check_interval)]
    assert schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert schedule.policy.catchup_window == timedelta(minutes=1)


async def test_the_summary_runs_when_its_setting_says_on_the_clock_of_the_scan(scene: Scene) -> None:
    await schedules.apply(scene.client, scene.with_settings(daily_summary_cron="30 7 * * *", **NINE_IN_BERLIN).settings)
    description = await scene.client.get_schedule_handle(DAILY_SUMMARY).describe()
    times = [each.astimezone(ZoneInfo("Europe/Berlin")) for each in description.info.next_action_times]
    assert {(each.hour, each.minute) for each in times} == {(7, 30)}
    assert description.schedule.policy.overlap is ScheduleOverlapPolicy.SKIP


async def test_the_summary_that_is_switched_off_has_no_schedule(scene: Scene) -> None:
    off = scene.with_settings(daily_summary_cron="off").settings
    await schedules.apply(scene.client, scene.settings)
    assert (await schedules.apply(scene.client, off))[-1] == (DAILY_SUMMARY, "deleted")
    assert DAILY_SUMMARY not in dict(await schedules.apply(scene.client, off))
    with pytest.raises(RPCError, match="not found"):
        await scene.client.get_schedule_handle(DAILY_SUMMARY).describe()
    assert DAILY_SUMMARY not in [each.schedule_id for each in schedules.watched_schedules(off)]
    assert (await schedules.apply(scene.client, scene.settings))[-1] == (DAILY_SUMMARY, "created")


async def test_what_operators_paused_stays_paused_while_the_rest_is_brought_up_to_date(scene: Scene) -> None:
    await schedules.apply(scene.client, scene.settings)
    handle = scene.client.get_schedule_handle(SCAN_EXPIRING)
    await handle.pause(note="The mail server is being moved")
    await schedules.apply(scene.client, scene.with_settings(**NINE_IN_BERLIN).settings)
    schedule = (await handle.describe()).schedule
    assert (schedule.state.paused, schedule.state.note) == (True, "The mail server is being moved")
    assert schedule.spec.time_zone_name == "Europe/Berlin"


async def test_a_scan_that_the_schedule_starts_counts_from_the_time_it_was_meant_for(scene: Scene) -> None:
    """A backfill of yesterday's: the cooldown counts between nominal times."""
    project = await scene.due_project()
    await schedules.apply(scene.client, scene.with_settings(**NINE_IN_BERLIN).settings)
    yesterday = datetime.now(ZoneInfo("Europe/Berlin")) - timedelta(days=1)
    meant_for = yesterday.replace(hour=9, minute=0, second=0, microsecond=0)
    hour = timedelta(hours=1)
    async with scene.worker():
        handle = scene.client.get_schedule_handle(SCAN_EXPIRING)
        await handle.backfill(
            ScheduleBackfill(meant_for - hour, meant_for + hour, overlap=ScheduleOverlapPolicy.ALLOW_ALL)
        )
        await scene.sink.wait_for(1, PATIENCE)
        await scene.children_end()
        [action] = (await handle.describe()).info.recent_actions
        assert isinstance(action.action, ScheduleActionExecutionStartWorkflow)
        await finished(scene.client, action.action.workflow_id)

    notification = await scene.notification()
    assert (notification.project_id, notification.status) == (project, "delivered")
    assert notification.scan_at == meant_for.astimezone(UTC)
    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (1, 1)
