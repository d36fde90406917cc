"""Which threshold a company is told at: the tightest one crossed, each at most once for one end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.data import Platform
from tests.support.due_scans import DueScans, at

END = at("2026-06-30T15:00")


def before(days: float) -> Any:
    return END - timedelta(days=days)


async def project(platform: Platform, **values: Any) -> int:
    return await platform.project(await platform.company(), **{"expires_at": END} | values)


async def test_a_project_is_told_when_the_default_threshold_is_crossed_and_not_before(
    platform: Platform, scans: DueScans
) -> None:
    await project(platform)
    told = {days: await scans.open(before(days)) for days in (31, 30, 29, 8, 7, 6, 2, 1)}
    assert {days: opened for days, opened in told.items() if opened} == {
        30: [(30, 30)],
        7: [(7, 7)],
        1: [(1, 1)],
    }


async def test_its_own_thresholds_go_before_the_default(platform: Platform, scans: DueScans) -> None:
    await project(platform, notify_before_expiry_days=[30, 2])
    assert await scans.open(before(30)) == [(30, 30)]
    assert await scans.open(before(7)) == []
    assert await scans.open(before(2)) == [(2, 2)]


async def test_with_an_empty_list_of_its_own_it_is_never_told(platform: Platform, scans: DueScans) -> None:
    await project(platform, notify_before_expiry_days=[])
    assert await scans.open(before(1)) == []


async def test_of_several_crossed_at_once_the_tightest_is_told_alone(platform: Platform, scans: DueScans) -> None:
    await project(platform)
    scans = scans.with_thresholds(30, 14, 7, 1)
    assert await scans.open(before(5)) == [(7, 5)]
    assert await scans.open(before(4)) == []


async def test_each_threshold_is_told_in_its_turn(platform: Platform, scans: DueScans) -> None:
    await project(platform)
    scans = scans.with_thresholds(30, 7, 1, 0)
    told = {days: await scans.open(before(days)) for days in range(31, -1, -1)}
    assert {days: opened for days, opened in told.items() if opened} == {
        30: [(30, 30)],
        7: [(7, 7)],
        1: [(1, 1)],
    }
    assert await scans.open(before(0.1)) == [(0, 0)]


async def test_a_scan_that_was_down_for_three_days_catches_up_with_one_notice(
    platform: Platform, scans: DueScans
) -> None:
    await project(platform)
    scans = scans.with_thresholds(7, 5, 1)
    assert await scans.open(before(8)) == []
    assert await scans.open(before(4)) == [(5, 4)]
    assert await scans.open(before(3)) == []
    assert await scans.open(before(1)) == [(1, 1)]


async def test_a_threshold_added_later_that_is_looser_is_not_told(platform: Platform, scans: DueScans) -> None:
    await project(platform)
    assert await scans.with_thresholds(5).open(before(5)) == [(5, 5)]
    assert await scans.with_thresholds(5, 10).open(before(3)) == []


async def test_after_a_renewal_it_is_told_anew_of_the_new_end(platform: Platform, scans: DueScans) -> None:
    await project(platform)
    assert await scans.open(before(7)) == [(7, 7)]
    await platform.execute("UPDATE projects SET expires_at = expires_at + interval '30 days'")
    assert await scans.open(before(6)) == []
    assert await scans.open(before(7) + timedelta(days=30)) == [(7, 7)]


@pytest.mark.parametrize(
    "values",
    [{"status": "archived"}, {"status": "expired"}, {"auto_renew": True}, {"expires_at": before(7)}],
    ids=["archived", "expired", "renews itself", "ends at this moment"],
)
async def test_what_nobody_needs_to_hear_of_is_not_due(
    platform: Platform, scans: DueScans, values: dict[str, Any]
) -> None:
    await project(platform, **values)
    assert await scans.open(before(7)) == []


async def test_a_year_is_the_longest_threshold(platform: Platform, scans: DueScans) -> None:
    await project(platform, notify_before_expiry_days=[365])
    assert await scans.open(before(366)) == []
    assert await scans.open(before(365)) == [(365, 365)]


async def test_page_after_page_finds_each_project_once_in_the_order_of_the_ends(
    platform: Platform, scans: DueScans
) -> None:
    ends = [END, before(1), END, before(2), END]
    ids = [await project(platform, expires_at=ends_at) for ends_at in ends]
    found: list[int] = []
    page = await scans.find(before(3), page_size=2)
    while page:
        found += [item.project_id for item in page]
        page = await scans.find(before(3), page_size=2, after=page[-1].cursor)
    assert found == [ids[3], ids[1], ids[0], ids[2], ids[4]]


@pytest.mark.parametrize(
    ("starts_at", "told"),
    [
        ("2026-06-23T16:00", {1: (1, 1)}),  # seven days before the end's day, though not seven times 24 hours
        ("2026-06-22T16:00", {7: (7, 7), 1: (1, 1)}),
        ("2026-05-31T00:00", {7: (7, 7), 1: (1, 1)}),  # the 30 days would be on the first day
    ],
)
async def test_a_threshold_that_lies_at_the_start_greets_nobody(
    platform: Platform, scans: DueScans, starts_at: str, told: dict[int, tuple[int, int]]
) -> None:
    await project(platform, starts_at=at(starts_at))
    opened = {days: await scans.open(before(days)) for days in (31, 30, 29, 8, 7, 6, 3, 2, 1, 0.1)}
    assert {days: each for days, each in opened.items() if each} == {days: [each] for days, each in told.items()}


async def test_a_life_shorter_than_every_threshold_is_told_of_at_its_half(platform: Platform, scans: DueScans) -> None:
    await project(platform, starts_at=before(1))
    assert await scans.open(before(0.51)) == []
    assert await scans.open(before(0.5)) == [(0, 0)]
    assert await scans.open(before(0.1)) == []


async def test_half_a_life_counts_days_on_the_companys_calendar(platform: Platform, scans: DueScans) -> None:
    await project(platform, starts_at=before(4), notify_before_expiry_days=[30, 4])
    assert await scans.open(before(2.1)) == []
    assert await scans.open(before(1)) == [(2, 1)]
    assert await scans.open(before(0.1)) == []


async def test_a_start_after_the_end_makes_no_difference(platform: Platform, scans: DueScans) -> None:
    await project(platform, starts_at=before(-5))
    assert await scans.open(before(7)) == [(7, 7)]


async def test_the_29th_of_february_is_a_day_like_any_other(platform: Platform, scans: DueScans) -> None:
    await project(platform, expires_at=at("2028-03-01T00:30"))
    assert await scans.with_thresholds(1).open(at("2028-02-28T23:59")) == []
    assert await scans.with_thresholds(1).open(at("2028-02-29T00:00")) == [(1, 1)]
    await platform.execute("UPDATE projects SET status = 'archived'")
    await project(platform, expires_at=at("2028-02-29T12:00"))
    assert await scans.open(at("2028-02-22T09:00")) == [(7, 7)]


async def test_over_a_new_year(platform: Platform, scans: DueScans) -> None:
    await project(platform, expires_at=at("2027-01-03T12:00"))
    assert await scans.open(at("2026-12-27T09:00")) == [(7, 7)]
    assert await scans.open(at("2027-01-02T09:00")) == [(1, 1)]
