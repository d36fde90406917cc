"""What the settings take as cron means to Temporal what we predict; and a Schedule that exists is asked itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from temporalio.client import Client, Schedule, ScheduleActionStartWorkflow, ScheduleSpec, ScheduleState

from activities.schedule_times import last_run, next_run, predicted_scan
from runtime.cron import checked_cron, predict
from temporal import schedules
from temporal.schedules import SCAN_EXPIRING
from tests.support.due_scans import at
from tests.support.scene import Scene

ACCEPTED = [
    "0 9 * * *",
    "00 09 * * *",
    "*/7 * * * *",
    "5/15 * * * *",
    "5-50/15 * * * *",
    "1,2,30-40/5 * * * *",
    "0-10,5-15/2 * * * *",
    "*/60 */24 * * *",
    "0 */5 * * *",
    "0 9-17/4 * * 1-5",
    "0 0 * * MON",
    "0 0 * * mon-fri",
    "0 0 * * SUN,sat",
    "0 0 * * MON/2",
    "0 0 * * 1/2",
    "0 0 * * 6/1",
    "0 0 * * */2",
    "0 0 * * */7",
    "0 0 * * 0-6",
    "0 0 */2 * *",
    "0 0 *,5 * *",
    "0 0 5/10 * *",
    "0 0 31 * *",
    "0 0 29 2 *",
    "0 0 * JAN,FEB *",
    "0 0 * 3/4 *",
    "0 0 1 jan-DEC/5 *",
]
"""Each form that `checked_cron` takes."""

AROUND_A_CHANGE = [
    ("Europe/Berlin", "2027-03-27T00:00"),
    ("Europe/Berlin", "2027-10-30T00:00"),
    ("America/New_York", "2027-03-13T00:00"),
    ("America/New_York", "2027-11-06T00:00"),
    ("Australia/Lord_Howe", "2027-04-03T00:00"),
    ("Australia/Lord_Howe", "2027-10-02T00:00"),
    ("America/Santiago", "2027-09-04T00:00"),  # the clocks skip midnight
    ("Africa/Cairo", "2027-04-29T00:00"),
]
"""Zones, and a day before their clocks change."""


async def temporals_times(client: Client, cron: str, zone: str, after: datetime) -> list[datetime]:
    schedule = Schedule(
        ScheduleActionStartWorkflow("Never", id="never", task_queue="none"),
        spec=ScheduleSpec(
            cron_expressions=[checked_cron(cron)], time_zone_name=zone, start_at=after + timedelta(seconds=1)
        ),
        state=ScheduleState(paused=True),
    )
    handle = await client.create_schedule("compared", schedule)
    times = list((await handle.describe()).info.next_action_times)
    assert await next_run(client, "compared", after) == times[0]
    if zone == "UTC":
        assert await last_run(client, "compared", times[1]) == times[1]
        assert await last_run(client, "compared", times[1] - timedelta(seconds=1)) == times[0]
    await handle.delete()
    return times


def predicted(cron: str, zone: str, after: datetime, count: int) -> list[datetime]:
    return [after := predict(checked_cron(cron), after, ZoneInfo(zone)) for _ in range(count)]


@pytest.mark.parametrize("cron", ACCEPTED)
async def test_an_accepted_expression_means_the_same_to_temporal(temporal: Client, cron: str) -> None:
    after = datetime.now(UTC).replace(microsecond=0)
    times = await temporals_times(temporal, cron, "UTC", after)
    assert len(times) == 10
    assert predicted(cron, "UTC", after, len(times)) == times


@pytest.mark.parametrize(("zone", "day"), AROUND_A_CHANGE)
async def test_it_does_in_zones_whose_clocks_change(temporal: Client, zone: str, day: str) -> None:
    for cron in ("0 9 * * *", "*/20 9-11 * * *", "0 12 * * MON,WED"):
        times = await temporals_times(temporal, cron, zone, at(day))
        assert predicted(cron, zone, at(day), len(times)) == times


@pytest.mark.parametrize(("zone", "day"), AROUND_A_CHANGE)
async def test_in_the_hour_of_a_change_no_scan_is_predicted_earlier_than_it_comes(
    temporal: Client, zone: str, day: str
) -> None:
    """Too early a prediction would lose the last chance to notify a company before the end. Temporal itself leaves out
    some times of such an hour, and a Sunday whose midnight is skipped: one more reason to ask it."""
    for cron in ("0 0 * * *", "10 0 * * *", "30 1 * * *", "30 2 * * *", "15 2 * * *", "0 * * * *"):
        after = at(day)
        for time in await temporals_times(temporal, cron, zone, after):
            assert predict(cron, after, ZoneInfo(zone)) >= time
            after = time


async def test_a_schedule_that_exists_is_asked_and_the_settings_only_while_there_is_none(scene: Scene) -> None:
    changed = scene.with_settings(expiry_scan_cron="0 21 * * *")
    now = at("2026-06-15T12:00")
    next_scan = schedules.next_scan(scene.client, changed.settings)
    assert await next_scan(now) == predicted_scan(changed.settings, now) == at("2026-06-15T21:00")
    await schedules.apply(scene.client, scene.with_settings(expiry_scan_cron="0 9 * * *").settings)
    assert (await next_scan(now)).replace(second=0, microsecond=0) == at("2026-06-16T09:00")


async def test_a_schedule_without_further_times_is_not_searched_for_ever(temporal: Client) -> None:
    spec = ScheduleSpec(cron_expressions=["0 9 * * *"], end_at=at("2026-01-01T00:00"))
    action = ScheduleActionStartWorkflow("Never", id="never", task_queue="none")
    handle = await temporal.create_schedule(SCAN_EXPIRING, Schedule(action, spec=spec))
    assert await next_run(temporal, SCAN_EXPIRING, at("2026-06-15T12:00")) is None
    await handle.delete()
