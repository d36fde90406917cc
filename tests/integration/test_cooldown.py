"""Two notices for one item are a day apart, counted between the times that scans were meant for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from activities.rules import due_rules
from activities.schedule_times import predicted_scan
from tests.support.data import Platform
from tests.support.due_scans import DueScans, at
from tests.support.settings_for import MakeSettings

END = at("2026-06-30T15:00")
FIRST = at("2026-06-26T09:00")
DAY = timedelta(days=1)


@pytest.fixture
async def told(platform: Platform, scans: DueScans) -> DueScans:
    """Scans after the one that told of threshold 5; tomorrow threshold 3 is crossed."""
    scans = scans.with_thresholds(5, 3)
    await platform.project(await platform.company(), expires_at=END)
    assert await scans.open(FIRST) == [(5, 4)]
    await platform.execute("UPDATE deliveries SET status = 'accepted' WHERE channel = 'email'")
    return scans


async def test_a_scan_less_than_a_day_after_the_notice_tells_nothing(told: DueScans) -> None:
    assert await told.open(FIRST + timedelta(hours=23, minutes=59)) == []


async def test_the_next_days_scan_tells_the_next_threshold(told: DueScans) -> None:
    assert await told.open(FIRST + DAY) == [(3, 3)]


async def test_what_counts_is_when_scans_were_meant_to_run(told: DueScans) -> None:
    """The first came late and the second in time, or the other way round."""
    soon = FIRST + DAY - timedelta(minutes=20)
    assert [item.threshold_days for item in await told.find(soon, scan_at=FIRST + DAY)] == [3]
    late = FIRST + DAY + timedelta(minutes=20)
    assert await told.find(late, scan_at=FIRST + DAY - timedelta(minutes=1)) == []


@pytest.mark.parametrize(("ends_at", "told"), [("2026-06-30T10:00", [(1, 1)]), ("2026-06-30T10:01", [])])
async def test_the_last_scan_before_an_end_does_not_wait_for_the_cooldown(
    platform: Platform, scans: DueScans, ends_at: str, told: list[tuple[int, int]]
) -> None:
    """The next scan is at nine and takes its time: what ends within an hour of it cannot wait for it."""
    scans = scans.with_thresholds(5, 1).with_settings(expiry_scan_cron="0 9 * * *")
    await platform.project(await platform.company(), expires_at=at(ends_at))
    assert await scans.open(at("2026-06-28T22:00")) == [(5, 2)]
    await platform.execute("UPDATE deliveries SET status = 'accepted'")
    assert await scans.open(at("2026-06-29T09:00")) == told


async def test_a_notice_that_reached_nobody_holds_nothing_back(platform: Platform, told: DueScans) -> None:
    await platform.execute("UPDATE deliveries SET status = 'rejected'")
    assert await told.open(FIRST + timedelta(hours=23)) == [(3, 3)]


async def test_without_a_cooldown_thresholds_follow_each_other_at_once(told: DueScans) -> None:
    assert await told.with_settings(expiry_cooldown_hours=0).open(FIRST + timedelta(hours=15)) == [(3, 3)]


@pytest.mark.parametrize(
    ("now", "before"),
    [
        ("2026-06-15T08:59:50+02:00", "2026-06-15T10:00+02:00"),
        ("2026-06-15T09:00:10+02:00", "2026-06-16T10:00+02:00"),
        # The night in which clocks go forward is an hour shorter.
        ("2026-03-28T09:00:10+01:00", "2026-03-29T10:00+02:00"),
    ],
)
def test_the_last_chance_is_what_ends_before_an_hour_past_the_next_scan(
    make_settings: MakeSettings, now: str, before: str
) -> None:
    settings = make_settings(expiry_scan_cron="0 9 * * *", expiry_scan_timezone="Europe/Berlin")
    assert due_rules(settings, at(now), at(now), predicted_scan(settings, at(now))).last_chance_before == at(before)


async def test_the_short_day_in_spring_does_not_cost_a_threshold(platform: Platform, scans: DueScans) -> None:
    """Scans at nine in Berlin are 23 hours apart when clocks go forward: still a day later."""
    scans = scans.with_thresholds(5, 3).with_settings(expiry_scan_timezone="Europe/Berlin")
    await platform.project(await platform.company(timezone="Europe/Berlin"), expires_at=at("2026-04-01T15:00+02:00"))
    assert await scans.open(at("2026-03-28T09:00+01:00")) == [(5, 4)]
    await platform.execute("UPDATE deliveries SET status = 'accepted'")
    assert await scans.open(at("2026-03-29T09:00+02:00")) == [(3, 3)]
