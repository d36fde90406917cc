"""The health check looks at the Schedules: there, not paused, and their last runs well and in time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from temporalio.client import (
    ScheduleActionExecutionStartWorkflow,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from activities.health.findings import Findings
from activities.health.schedule_runs import WatchedSchedule, look_at_schedule
from activities.schedule_times import last_run
from db.operators.pauses import Pause
from temporal import schedules
from temporal.schedules import CHECK_HEALTH, DEACTIVATE_EXPIRED, SCAN_EXPIRING
from tests.support.health_scene import HealthScene
from tests.support.scene import PATIENCE, Scene

WATCHED = WatchedSchedule(SCAN_EXPIRING, "ScanExpiringWorkflow")


def the_schedule(scene: Scene) -> ScheduleHandle:
    return scene.client.get_schedule_handle(SCAN_EXPIRING)


async def every_second(scene: Scene) -> None:
    """Makes the scan's Schedule one that is due each second, but starts nothing."""

    def change(current: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule = current.description.schedule
        schedule.spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(seconds=1))])
        schedule.state = ScheduleState(limited_actions=True, remaining_actions=0)
        return ScheduleUpdate(schedule=schedule)

    await the_schedule(scene).update(change)


def codes(findings: Findings) -> list[str]:
    return [problem.code for problem in findings.problems]


async def test_a_schedule_that_is_missing(health: HealthScene) -> None:
    await the_schedule(health.scene).delete()
    code = f"schedule_missing.{SCAN_EXPIRING}"
    async with health.worker():
        assert (await health.check_until(code, there=True)).problems == [code]
        await schedules.apply(health.scene.client, health.scene.settings)
        assert (await health.check_until(code, there=False)).problems == []
        await health.scene.children_end()
    assert "cli.py schedules apply" in await health.message(f"The Schedule {SCAN_EXPIRING} is missing")


async def test_its_own_schedule_missing_is_found_by_a_check_that_is_made_by_hand(health: HealthScene) -> None:
    await health.scene.client.get_schedule_handle(CHECK_HEALTH).delete()
    async with health.worker():
        await health.check_until(f"schedule_missing.{CHECK_HEALTH}", there=True)


async def test_a_schedule_that_somebody_has_paused(health: HealthScene) -> None:
    code = f"schedule_paused.{SCAN_EXPIRING}"
    async with health.worker():
        await the_schedule(health.scene).pause(note="the mail server is being moved")
        assert (await health.check_until(code, there=True)).problems == [code]
        await the_schedule(health.scene).unpause()
        assert (await health.check_until(code, there=False)).over == [code]
        await health.scene.children_end()
    assert "the mail server is being moved" in await health.message(f"The Schedule {SCAN_EXPIRING} is paused")


async def test_a_run_that_was_terminated_until_another_one_has_ended(health: HealthScene) -> None:
    scene, code = health.scene, f"schedule_failed.{SCAN_EXPIRING}"
    await the_schedule(scene).trigger()
    workflow_id = await last_started(scene)
    await scene.client.get_workflow_handle(workflow_id).terminate()
    async with health.worker():
        assert (await health.check_until(code, there=True)).problems == [code]
        await scene.scan()
        assert (await health.check_until(code, there=False)).over == [code]
        await scene.children_end()
    assert workflow_id in await health.message(f"The last run of {SCAN_EXPIRING} failed")


async def test_a_run_that_goes_on_or_has_ended_well_is_none(health: HealthScene) -> None:
    await the_schedule(health.scene).trigger()
    workflow_id = await last_started(health.scene)
    assert codes(await look_at_schedule(health.scene.client, WATCHED, timedelta(hours=1), datetime.now(UTC))) == []
    async with health.worker():
        await health.scene.client.get_workflow_handle(workflow_id).result()
        assert await health.check() is not None
    assert await health.subjects() == []


async def test_a_run_that_is_late_until_one_that_began_since_has_ended(health: HealthScene) -> None:
    scene = health.scene
    nothing_late = timedelta(0)
    await every_second(scene)
    async with asyncio.timeout(PATIENCE):  # until the clock has struck once since the Schedule was made
        while not codes(await look_at_schedule(scene.client, WATCHED, nothing_late, now := datetime.now(UTC))):
            await asyncio.sleep(0.05)
    assert codes(await look_at_schedule(scene.client, WATCHED, nothing_late, now)) == [f"schedule_late.{SCAN_EXPIRING}"]
    assert codes(await look_at_schedule(scene.client, WATCHED, timedelta(hours=1), now)) == []
    async with health.worker():
        await scene.scan()
    async with asyncio.timeout(PATIENCE):  # what is listed lags behind
        while codes(await look_at_schedule(scene.client, WATCHED, nothing_late, now)):
            await asyncio.sleep(0.05)


async def test_the_check_finds_a_late_run(health: HealthScene) -> None:
    code = f"schedule_late.{SCAN_EXPIRING}"
    late = health.with_settings(scan_late_after=0.001)
    await every_second(health.scene)
    async with late.worker():
        assert (await late.check_until(code, there=True)).problems == [code]
    async with health.worker():
        assert (await health.check()).over == [code]
        await health.scene.children_end()


async def test_a_schedule_that_is_paused_is_not_late(health: HealthScene) -> None:
    await every_second(health.scene)
    async with asyncio.timeout(PATIENCE):
        while not codes(await look_at_schedule(health.scene.client, WATCHED, timedelta(0), datetime.now(UTC))):
            await asyncio.sleep(0.05)
    await the_schedule(health.scene).pause()
    assert codes(await look_at_schedule(health.scene.client, WATCHED, timedelta(0), datetime.now(UTC))) == [
        f"schedule_paused.{SCAN_EXPIRING}"
    ]


async def test_what_a_pause_of_the_sending_has_paused_is_the_pauses_problem(health: HealthScene) -> None:
    scene = health.scene
    await scene.platform.execute("INSERT INTO pauses (operator, why) VALUES ('anna', 'wrong texts')")
    await schedules.pause_sending(scene.client, "paused by anna: wrong texts")
    async with health.worker():
        await health.check_until("paused", there=True)
        assert (await health.check()).problems == ["paused"]
        await scene.platform.execute("UPDATE pauses SET resumed_at = now(), resumed_by = 'anna'")
        assert (await health.check()).problems == [  # Temporal was away when it was resumed
            f"schedule_paused.{DEACTIVATE_EXPIRED}",
            f"schedule_paused.{SCAN_EXPIRING}",
        ]
        await scene.children_end()


async def test_a_run_that_a_pause_of_the_sending_has_skipped_is_not_late(health: HealthScene) -> None:
    await every_second(health.scene)
    made = (await the_schedule(health.scene).describe()).info.created_at
    hour = timedelta(hours=1)
    at = made + 2 * hour
    look = partial(look_at_schedule, health.scene.client, WATCHED, timedelta(0), at)
    over = Pause("anna", "x", made + hour, "anna", at + hour)
    assert codes(await look(over)) == []
    assert codes(await look(replace(over, resumed_at=at - hour))) == [f"schedule_late.{SCAN_EXPIRING}"]


async def test_one_that_was_just_made_is_not_late(health: HealthScene) -> None:
    assert codes(await look_at_schedule(health.scene.client, WATCHED, timedelta(0), datetime.now(UTC))) == []


@pytest.mark.parametrize(
    ("before", "meant"),
    [
        ("2026-03-29T06:59:59+00:00", "2026-03-28T08:00:00+00:00"),
        ("2026-03-29T07:00:31+00:00", "2026-03-29T07:00:00+00:00"),  # the clocks went forward that night
        ("2026-10-25T07:30:00+00:00", "2026-10-24T07:00:00+00:00"),
        ("2026-10-25T08:30:00+00:00", "2026-10-25T08:00:00+00:00"),  # and back
    ],
)
async def test_when_a_run_was_meant_is_told_on_the_schedules_clock(scene: Scene, before: str, meant: str) -> None:
    settings = scene.with_settings(expiry_scan_cron="0 9 * * *", expiry_scan_timezone="Europe/Berlin").settings
    await schedules.apply(scene.client, settings)
    last = await last_run(scene.client, SCAN_EXPIRING, datetime.fromisoformat(before))
    assert last is not None
    assert last.replace(second=0, microsecond=0) == datetime.fromisoformat(meant)  # jitter


def test_the_schedules_of_the_settings_are_watched(health: HealthScene) -> None:
    watched = {each.schedule_id: each for each in schedules.watched_schedules(health.scene.settings)}
    assert watched[SCAN_EXPIRING] == WATCHED
    assert not watched[CHECK_HEALTH].runs


async def last_started(scene: Scene) -> str:
    """The id of the workflow that the Schedule has started."""
    async with asyncio.timeout(PATIENCE):
        while not (actions := (await the_schedule(scene).describe()).info.recent_actions):
            await asyncio.sleep(0.05)  # the server tells nobody
    action = actions[-1].action
    assert isinstance(action, ScheduleActionExecutionStartWorkflow)
    return action.workflow_id
