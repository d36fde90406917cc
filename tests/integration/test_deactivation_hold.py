"""DEACTIVATE_ONLY_AFTER_NOTICE: what nobody could be told of stays on for a while, and then goes with an alert."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contracts.deactivating import DeactivateEndedResult
from tests.support.data import Platform
from tests.support.deactivations import Deactivations
from tests.support.due_scans import at

END = at("2026-06-15T12:00")
LIMIT = timedelta(hours=72)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
NOTHING = DeactivateEndedResult(0, 0, 0, 0, more=False)


@pytest.fixture
def holding(deactivations: Deactivations) -> Deactivations:
    return deactivations.with_settings(deactivate_only_after_notice=True, admin_email="admin@own.example")


async def warned(platform: Platform, project: int, status: str = "accepted", **values: Any) -> None:
    """A warning of the project's end, or of what `values` say, whose Telegram message was skipped."""
    warning = await platform.notification(project, **values)
    for channel, end in (("email", status), ("telegram", "skipped")):
        await platform.execute(
            "UPDATE deliveries SET status = :end WHERE notification_id = :id AND channel = :channel",
            end=end,
            id=warning,
            channel=channel,
        )


async def test_a_project_is_held_until_a_channel_has_accepted_a_warning(
    platform: Platform, holding: Deactivations
) -> None:
    company = await platform.company()
    project = await platform.project(company, slug="ship", expires_at=END)
    await platform.content(company, project, slug="bow")
    for status in ("rejected", "unknown", "failed", "pending"):
        await warned(platform, project, status)
    assert await holding.page(END + HOUR) == NOTHING
    await warned(platform, project)
    assert (await holding.page(END + HOUR)).projects == 1
    assert await holding.alerts() == []


async def test_a_warning_of_another_end_or_another_item_does_not_count(
    platform: Platform, holding: Deactivations
) -> None:
    company = await platform.company()
    project = await platform.project(company, expires_at=END)
    other = await platform.project(company, expires_at=END + timedelta(days=9))
    content = await platform.content(company, project)
    await warned(platform, project, item_ends_at=END - timedelta(days=365))
    await warned(platform, project, ar_content_id=content)
    await warned(platform, project, notification_type="expired")
    await warned(platform, other, item_ends_at=END)
    assert await holding.page(END + HOUR) == NOTHING


async def test_what_is_held_goes_when_the_limit_is_over_and_the_admin_is_told(
    platform: Platform, holding: Deactivations
) -> None:
    project = await platform.project(await platform.company(), slug="ship", expires_at=END)
    assert await holding.page(END + LIMIT - SECOND) == NOTHING
    assert await platform.notifications() == []
    assert (await holding.page(END + LIMIT)).projects == 1
    [alert] = await holding.alerts()
    assert alert.metadata["problem"] == f"deactivated_untold.project-{project}.20260615T120000Z.1"
    assert alert.subject == "1 deactivated without a notification before"
    assert "their companies were not notified of the end: ship." in alert.message


async def test_no_cooldown_swallows_the_alert_of_another_page(platform: Platform, holding: Deactivations) -> None:
    company = await platform.company()
    for number in range(4):
        await platform.project(company, slug=f"ship-{number}", expires_at=END + number * SECOND)
    await holding.page(END + LIMIT + HOUR, page_size=2)
    await holding.page(END + LIMIT + HOUR, page_size=2)
    said = [alert.message for alert in await holding.alerts()]
    assert ["ship-0, ship-1" in said[0], "ship-2, ship-3" in said[1]] == [True, True]
    assert len(said) == 2


async def test_a_page_that_is_tried_again_alerts_once(platform: Platform, holding: Deactivations) -> None:
    """The worker died after the alert and before it switched anything off."""
    await platform.project(await platform.company(), slug="ship", expires_at=END)
    await holding.page(END + LIMIT)
    await platform.execute("UPDATE projects SET status = 'active', deactivated_at = NULL")
    await holding.page(END + LIMIT)
    assert await holding.projects() == {"ship": "expired*"}
    assert len(await holding.alerts()) == 1


async def test_what_is_held_does_not_keep_others_from_their_page(platform: Platform, holding: Deactivations) -> None:
    company = await platform.company()
    for number in range(5):
        await platform.project(company, slug=f"held-{number}", expires_at=END)
    told = await platform.project(company, slug="told", expires_at=END + SECOND)
    await warned(platform, told)
    result = await holding.page(END + HOUR, page_size=2)
    assert (result.found, result.projects, result.more) == (1, 1, False)


async def test_content_is_held_by_itself(platform: Platform, holding: Deactivations) -> None:
    company = await platform.company()
    project = await platform.project(company, slug="ship", expires_at=END + timedelta(days=30))
    bow = await platform.content(company, project, slug="bow", expires_at=END)
    await platform.content(company, project, slug="stern", expires_at=END)
    await warned(platform, project, ar_content_id=bow, item_ends_at=END)
    assert (await holding.page(END + HOUR)).contents == 1
    assert await holding.contents() == {"bow": "off*", "stern": "on"}
    assert (await holding.page(END + LIMIT)).contents == 1
    [alert] = await holding.alerts()
    assert "their companies were not notified of the end: stern." in alert.message


async def test_of_content_that_ends_with_its_project_the_projects_warning_counts(
    platform: Platform, holding: Deactivations
) -> None:
    company = await platform.company()
    project = await platform.project(company, slug="ship", expires_at=END)
    await platform.content(company, project, slug="bow", expires_at=END - HOUR)
    await platform.content(company, project, slug="stern", expires_at=END - timedelta(days=1))
    assert await holding.page(END) == NOTHING
    await warned(platform, project)
    assert await holding.page(END - SECOND) == DeactivateEndedResult(1, 0, 1, 0, more=False)
    assert await holding.contents() == {"bow": "off*", "stern": "on"}


async def test_content_that_is_held_goes_with_its_project_and_is_told_of(
    platform: Platform, holding: Deactivations
) -> None:
    """The project's notice does not list what ended a day before."""
    company = await platform.company()
    project = await platform.project(company, slug="ship", expires_at=END)
    stern = await platform.content(company, project, slug="stern", expires_at=END - timedelta(days=1))
    await warned(platform, project)
    assert await holding.page(END) == DeactivateEndedResult(1, 1, 1, 2, more=False)
    assert f"expired.content-{stern}.20260614T120000Z" in await holding.notices()


async def test_of_content_in_a_project_that_is_off_nobody_needs_to_be_told(
    platform: Platform, holding: Deactivations
) -> None:
    company = await platform.company()
    project = await platform.project(company, status="archived", expires_at=END + LIMIT)
    await platform.content(company, project, slug="bow", expires_at=END)
    assert await holding.page(END) == DeactivateEndedResult(1, 0, 1, 0, more=False)
    assert await holding.alerts() == []


async def test_without_the_setting_nothing_is_held_and_nobody_alerted(
    platform: Platform, deactivations: Deactivations
) -> None:
    await platform.project(await platform.company(), expires_at=END)
    assert (await deactivations.page(END)).projects == 1
    assert await deactivations.alerts() == []


async def test_a_grace_longer_than_the_limit_is_kept(platform: Platform, holding: Deactivations) -> None:
    holding = holding.with_settings(deactivate_grace=7200, deactivate_hold_limit=3600)
    await platform.project(await platform.company(), expires_at=END)
    assert await holding.page(END + 2 * HOUR - SECOND) == NOTHING
    assert (await holding.page(END + 2 * HOUR)).projects == 1
    assert len(await holding.alerts()) == 1
