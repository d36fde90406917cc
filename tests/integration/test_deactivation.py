"""What is switched off and when, and who is told of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from contracts.deactivating import DeactivateEndedResult
from tests.support.data import Platform
from tests.support.deactivations import Deactivations
from tests.support.due_scans import at

NOW = at("2026-06-15T12:00")
ENDED = NOW - timedelta(hours=1)
LATER = NOW + timedelta(days=30)
SECOND = timedelta(seconds=1)


def key(item: str, ends_at: datetime) -> str:
    return f"expired.{item}.{ends_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"


async def test_a_project_past_its_end_is_switched_off_with_its_content_and_told_of_once(
    platform: Platform, deactivations: Deactivations
) -> None:
    company = await platform.company()
    project = await platform.project(company, slug="over", expires_at=ENDED)
    await platform.project(company, slug="runs", expires_at=LATER)
    await platform.content(company, project, slug="bow")
    await platform.content(company, project, slug="later", expires_at=LATER)

    assert await deactivations.page(NOW) == DeactivateEndedResult(1, 1, 2, 1, more=False)
    assert await deactivations.projects() == {"over": "expired*", "runs": "active"}
    assert await deactivations.contents() == {"bow": "off*", "later": "off*"}
    [notice] = await platform.notifications()
    assert (notice.dedupe_key, notice.workflow_id) == (key(f"project-{project}", ENDED),) * 2
    assert (notice.item_ends_at, notice.give_up_at) == (ENDED, NOW + timedelta(days=7))
    assert (notice.company_id, notice.project_id, notice.ar_content_id) == (company, project, None)
    assert {(each.channel, each.status) for each in await platform.deliveries()} == {
        ("email", "pending"),
        ("telegram", "pending"),
    }
    assert await deactivations.page(NOW) == DeactivateEndedResult(0, 0, 0, 0, more=False)
    assert len(await platform.notifications()) == 1


async def test_an_end_is_reached_at_its_very_moment(platform: Platform, deactivations: Deactivations) -> None:
    await platform.project(await platform.company(), slug="ship", expires_at=NOW)
    await deactivations.page(NOW - SECOND)
    assert await deactivations.projects() == {"ship": "active"}
    await deactivations.page(NOW)
    assert await deactivations.projects() == {"ship": "expired*"}


async def test_the_grace_puts_it_off(platform: Platform, deactivations: Deactivations) -> None:
    deactivations = deactivations.with_settings(deactivate_grace=3600)
    company = await platform.company()
    project = await platform.project(company, slug="ship", expires_at=LATER)
    await platform.project(company, slug="mill", expires_at=NOW)
    await platform.content(company, project, slug="bow", expires_at=NOW)
    assert (await deactivations.page(NOW + timedelta(minutes=59))).found == 0
    assert (await deactivations.page(NOW + timedelta(minutes=60))).found == 2
    assert await deactivations.projects() == {"ship": "active", "mill": "expired*"}
    assert await deactivations.contents() == {"bow": "off*"}


@pytest.mark.parametrize("status", ["expired", "archived"])
async def test_a_project_that_is_off_already_is_left_as_it_is(
    platform: Platform, deactivations: Deactivations, status: str
) -> None:
    company = await platform.company()
    project = await platform.project(company, slug="ship", status=status, expires_at=ENDED)
    await platform.content(company, project, slug="bow", is_active=False, expires_at=ENDED)
    assert (await deactivations.page(NOW)).found == 0
    assert await deactivations.projects() == {"ship": status}
    assert await deactivations.contents() == {"bow": "off"}


async def test_content_past_its_end_in_a_project_that_is_off_goes_without_a_word(
    platform: Platform, deactivations: Deactivations
) -> None:
    company = await platform.company()
    project = await platform.project(company, status="archived", expires_at=LATER)
    await platform.content(company, project, slug="bow", expires_at=ENDED)
    await deactivations.page(NOW)
    assert await deactivations.contents() == {"bow": "off*"}
    assert await deactivations.notices() == []


async def test_content_that_somebody_has_switched_off_is_not_ours(
    platform: Platform, deactivations: Deactivations
) -> None:
    company = await platform.company()
    project = await platform.project(company, expires_at=ENDED)
    await platform.content(company, project, slug="bow", is_active=False)
    await deactivations.page(NOW)
    assert await deactivations.contents() == {"bow": "off"}


async def test_content_ends_before_its_project_and_is_told_of_by_itself(
    platform: Platform, deactivations: Deactivations
) -> None:
    company = await platform.company()
    project = await platform.project(company, slug="ship", expires_at=LATER)
    bow = await platform.content(company, project, slug="bow", expires_at=ENDED)
    await platform.content(company, project, slug="stern")
    assert await deactivations.page(NOW) == DeactivateEndedResult(1, 0, 1, 1, more=False)
    assert await deactivations.projects() == {"ship": "active"}
    assert await deactivations.contents() == {"bow": "off*", "stern": "on"}
    [notice] = await platform.notifications()
    assert notice.dedupe_key == key(f"content-{bow}", ENDED)
    assert (notice.project_id, notice.ar_content_id, notice.item_ends_at) == (project, bow, ENDED)


@pytest.mark.parametrize(
    ("zone", "content_ends", "project_ends", "by_itself"),
    [
        ("UTC", "2026-06-15T00:00", "2026-06-15T10:00", False),
        ("UTC", "2026-06-14T23:59", "2026-06-15T10:00", True),
        # Auckland's days begin at noon, UTC, Los Angeles' at 7.
        ("Pacific/Auckland", "2026-06-14T12:00", "2026-06-15T11:59", False),
        ("Pacific/Auckland", "2026-06-14T11:59", "2026-06-14T12:00", True),
        ("America/Los_Angeles", "2026-06-14T07:00", "2026-06-15T06:59", False),
        ("America/Los_Angeles", "2026-06-14T06:59", "2026-06-14T07:00", True),
        # The day that clocks go forward has 23 hours, the day they go back 25.
        ("Europe/Berlin", "2026-03-29T00:10+01:00", "2026-03-29T23:50+02:00", False),
        ("Europe/Berlin", "2026-03-28T23:50+01:00", "2026-03-29T00:10+01:00", True),
        ("America/Los_Angeles", "2025-11-02T00:10-07:00", "2025-11-02T23:50-08:00", False),
        ("America/Los_Angeles", "2025-11-02T23:50-08:00", "2025-11-03T00:10-08:00", True),
    ],
)
async def test_content_that_ends_on_its_projects_last_day_is_told_of_with_it(
    platform: Platform,
    deactivations: Deactivations,
    zone: str,
    content_ends: str,
    project_ends: str,
    by_itself: bool,
) -> None:
    """The day on the company's calendar, whether content and project go at once or one after the other."""
    company = await platform.company(timezone=zone)
    for now in (at(content_ends), NOW):
        project = await platform.project(company, expires_at=at(project_ends))
        content = await platform.content(company, project, expires_at=at(content_ends))
        await deactivations.page(now)
        await deactivations.page(NOW)
        told = [key(f"project-{project}", at(project_ends)), key(f"content-{content}", at(content_ends))]
        notices = [each for each in await deactivations.notices() if each in told]
        assert sorted(notices) == sorted(told if by_itself else told[:1])
    assert set((await deactivations.contents()).values()) == {"off*"}


async def test_a_project_that_renews_itself_stays_on_and_the_admin_is_told(
    platform: Platform, deactivations: Deactivations
) -> None:
    company = await platform.company()
    project = await platform.project(company, slug="own", auto_renew=True, expires_at=ENDED)
    await platform.content(company, project, slug="bow")
    await platform.content(company, project, slug="later", expires_at=LATER)
    # It has no last day with which this could be told of.
    stern = await platform.content(company, project, slug="stern", expires_at=ENDED)
    await deactivations.page(NOW)
    await deactivations.page(NOW)
    assert await deactivations.projects() == {"own": "active"}
    assert await deactivations.contents() == {"bow": "on", "later": "on", "stern": "off*"}
    assert await deactivations.notices() == [key(f"content-{stern}", ENDED)]
    [alert] = await deactivations.alerts()
    assert alert.metadata["problem"] == "auto_renew_ended"
    assert "past their end: own." in alert.message


async def test_an_alert_names_twenty_and_counts_the_rest(platform: Platform, deactivations: Deactivations) -> None:
    company = await platform.company()
    for number in range(23):
        await platform.project(company, slug=f"own-{number}", auto_renew=True, expires_at=ENDED)
    await deactivations.page(NOW)
    [alert] = await deactivations.alerts()
    assert "own-19 and 3 more." in alert.message
    assert "own-20" not in alert.message


async def test_with_notices_off_it_is_switched_off_in_silence(platform: Platform, deactivations: Deactivations) -> None:
    await platform.project(await platform.company(), slug="over", expires_at=ENDED)
    assert (await deactivations.with_settings(notify_on_expired=False).page(NOW)).opened == 0
    assert await deactivations.projects() == {"over": "expired*"}
    assert await platform.notifications() == []


async def test_what_ended_long_ago_goes_first_and_a_page_may_be_smaller_than_all(
    platform: Platform, deactivations: Deactivations
) -> None:
    company = await platform.company()
    for days in (1, 5, 3, 2, 4):
        project = await platform.project(company, slug=f"over-{days}", expires_at=NOW - timedelta(days=days))
        await platform.content(company, project, expires_at=NOW - timedelta(days=days, hours=12))
    pages = [await deactivations.page(NOW, page_size=3) for _ in range(2)]
    off = await platform.rows("SELECT slug FROM projects WHERE status = 'expired' ORDER BY expires_at")
    assert [row["slug"] for row in off] == ["over-5", "over-4", "over-3"]
    pages += [await deactivations.page(NOW, page_size=3) for _ in range(2)]
    assert [page.more for page in pages] == [True, True, True, False]
    assert sum(page.projects for page in pages) == sum(page.contents for page in pages) == 5
    assert set((await deactivations.projects()).values()) == {"expired*"}


async def test_more_than_allowed_is_taken_for_a_mistake_until_an_operator_allows_it(
    platform: Platform, deactivations: Deactivations
) -> None:
    deactivations = deactivations.with_settings(scan_max_notices=3)
    company = await platform.company()
    for number in range(3):
        project = await platform.project(company, slug=f"over-{number}", expires_at=ENDED)
    await platform.content(company, project, expires_at=ENDED)

    for _ in range(2):
        result = await deactivations.page(NOW, page_size=2)
        assert result == DeactivateEndedResult(4, 0, 0, 0, more=False, too_many=True)
    assert set((await deactivations.projects()).values()) == {"active"}
    [alert] = await platform.notifications()
    assert (alert.metadata["problem"], alert.subject) == (
        "deactivation_too_many",
        "Nothing was deactivated: 4 items have ended",
    )
    assert "deactivate --allow-many" in alert.message

    assert (await deactivations.page(NOW, page_size=2, allow_many=True)).projects == 2
    assert (await deactivations.page(NOW, page_size=2, first_page=False, allow_many=True)).projects == 1
    assert set((await deactivations.projects()).values()) == {"expired*"}


async def test_as_many_as_are_allowed_go(platform: Platform, deactivations: Deactivations) -> None:
    company = await platform.company()
    for _ in range(3):
        await platform.project(company, expires_at=ENDED)
    assert (await deactivations.with_settings(scan_max_notices=3).page(NOW)).projects == 3
