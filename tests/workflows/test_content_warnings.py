"""AR content with an end of its own is warned of by itself, unless its project's notice lists it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.data import Platform, in_days
from tests.support.due_scans import DueScans, at
from tests.support.scene import Scene

END = at("2026-06-30T15:00")
SCAN = at("2026-06-25T09:00")


async def found(scans: DueScans) -> list[tuple[int, int | None]]:
    return [(item.project_id, item.ar_content_id) for item in await scans.find(SCAN)]


async def test_content_that_ends_before_its_project_is_warned_of_by_itself(platform: Platform, scans: DueScans) -> None:
    company = await platform.company()
    project = await platform.project(company, expires_at=at("2027-06-30T15:00"))
    content = await platform.content(company, project, expires_at=END)
    await platform.content(company, project)
    assert await found(scans) == [(project, content)]
    assert await scans.open(SCAN) == [(7, 5)]
    [notification] = await platform.notifications()
    assert notification.dedupe_key == f"expiring.content-{content}.20260630T150000Z.7d"
    assert (notification.project_id, notification.ar_content_id) == (project, content)
    assert await found(scans) == []


@pytest.mark.parametrize(
    ("zone", "content_ends_at", "warned_by_itself"),
    [
        # The project ends on the 30th at 15:00 UTC.
        ("UTC", "2026-06-30T00:00", False),
        ("UTC", "2026-06-29T23:59", True),
        ("Pacific/Auckland", "2026-06-30T12:01", False),  # there the 1st of July has begun
        ("Pacific/Auckland", "2026-06-30T11:59", True),
        ("America/Los_Angeles", "2026-06-30T07:00", False),
        ("America/Los_Angeles", "2026-06-30T06:59", True),
        ("UTC", "2026-07-02T00:00", False),  # it goes with its project, before its own end
    ],
)
async def test_what_ends_on_its_projects_last_day_or_later_is_left_to_the_projects_notice(
    platform: Platform, scans: DueScans, zone: str, content_ends_at: str, warned_by_itself: bool
) -> None:
    company = await platform.company(timezone=zone)
    project = await platform.project(company, expires_at=END)
    content = await platform.content(company, project, expires_at=at(content_ends_at))
    items = {(project, None)} | ({(project, content)} if warned_by_itself else set())
    assert set(await found(scans)) == items


async def test_content_of_a_project_that_renews_itself_has_nobody_else_to_speak_for_it(
    platform: Platform, scans: DueScans
) -> None:
    company = await platform.company()
    project = await platform.project(company, expires_at=END, auto_renew=True)
    content = await platform.content(company, project, expires_at=END)
    assert await found(scans) == [(project, content)]


async def test_content_that_is_off_or_in_a_project_that_is_off_is_not_warned_of(
    platform: Platform, scans: DueScans
) -> None:
    company = await platform.company()
    project = await platform.project(company, expires_at=in_days(1000))
    await platform.content(company, project, expires_at=END, is_active=False)
    archived = await platform.project(company, expires_at=in_days(1000), status="archived")
    await platform.content(company, archived, expires_at=END)
    assert await found(scans) == []


async def test_its_projects_thresholds_and_start_hold_for_it(platform: Platform, scans: DueScans) -> None:
    company = await platform.company()
    project = await platform.project(company, expires_at=in_days(1000), notify_before_expiry_days=[3])
    await platform.content(company, project, expires_at=END)
    young = await platform.project(company, expires_at=in_days(1000), starts_at=at("2026-06-24T15:00"))
    await platform.content(company, young, expires_at=END)
    assert await found(scans) == []
    assert await scans.open(END - timedelta(days=3)) == [(3, 3)]
    assert await scans.open(END - timedelta(days=1)) == [(1, 1)]


async def test_a_notice_of_content_does_not_cool_its_project_down(platform: Platform, scans: DueScans) -> None:
    company = await platform.company()
    project = await platform.project(company, expires_at=END)
    await platform.content(company, project, expires_at=END - timedelta(days=4))
    assert await scans.with_thresholds(2).open(SCAN) == [(2, 1)]
    await platform.execute("UPDATE deliveries SET status = 'accepted'")
    assert await scans.with_thresholds(5).open(SCAN + timedelta(hours=1)) == [(5, 5)]


async def test_pages_go_through_projects_and_contents_in_the_order_of_their_ends(
    platform: Platform, scans: DueScans
) -> None:
    company = await platform.company()
    project = await platform.project(company, expires_at=END)
    contents = [
        await platform.content(company, project, expires_at=END - timedelta(days=days)) for days in (1, 2, 2, 3)
    ]
    told: list[int | None] = []
    page = await scans.find(SCAN, page_size=2)
    while page:
        told += [item.ar_content_id for item in page]
        page = await scans.find(SCAN, page_size=2, after=page[-1].cursor)
    assert told == [contents[3], contents[1], contents[2], contents[0], None]


async def test_the_company_is_told_which_content_ends_and_in_which_project(scene: Scene) -> None:
    company = await scene.platform.company()
    project = await scene.platform.project(company, name="The Viking Ship", expires_at=in_days(400))
    await scene.platform.content(company, project, title="Bow with dragon head", expires_at=in_days(5))
    await scene.scan_and_send()
    [mail], [message] = scene.sink.messages, scene.telegram.messages
    text = mail.message.get_body(("plain",))
    assert text is not None
    for told in (mail.subject, text.get_content(), message.text):
        assert "Bow with dragon head" in told
    for told in (text.get_content(), message.text):
        assert "The Viking Ship" in told
    assert await scene.ends() == ("delivered", "accepted", "accepted")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE ar_contents SET expires_at = expires_at + interval '30 days'", "renewed"),
        ("UPDATE ar_contents SET expires_at = NULL", "renewed"),
        ("UPDATE ar_contents SET is_active = false", "item_not_active"),
        ("UPDATE projects SET status = 'archived'", "item_not_active"),
    ],
)
async def test_content_changed_after_the_scan_is_not_warned_of(scene: Scene, change: str, reason: str) -> None:
    company = await scene.platform.company()
    project = await scene.platform.project(company, expires_at=in_days(400))
    content = await scene.platform.content(company, project, expires_at=in_days(5))
    ends_at = await scene.platform.scalar("SELECT expires_at FROM ar_contents")
    await scene.platform.notification(project, ar_content_id=content, item_ends_at=ends_at, give_up_at=ends_at)
    await scene.platform.execute(change)
    async with scene.with_settings(expiry_thresholds_days=[0]).worker():
        await scene.scan()
        await scene.children_end()
    assert await scene.ends() == ("undelivered", "skipped", "skipped")
    assert {each.reason for each in await scene.platform.deliveries()} == {reason}


async def test_a_project_that_renews_itself_does_not_silence_its_contents_notice(scene: Scene) -> None:
    company = await scene.platform.company()
    project = await scene.platform.project(company, expires_at=in_days(4), auto_renew=True)
    await scene.platform.content(company, project, expires_at=in_days(5))
    await scene.scan_and_send()
    assert await scene.ends() == ("delivered", "accepted", "accepted")
