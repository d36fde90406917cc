"""A scan that would open more notices than SCAN_MAX_NOTICES opens none until an operator allows it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from activities.alerts import Alerts
from activities.due_items import DueItemActivities
from contracts.scanning import OpenDueInput, ScanExpiringResult, StartableNotification
from db.items.due import FIRST_PAGE
from temporal import schedules
from tests.support.scanning import scan
from tests.support.scene import Scene


@pytest.fixture
async def crowded(scene: Scene) -> Scene:
    """Three projects are due, and two are allowed."""
    for _ in range(3):
        await scene.platform.project(await scene.platform.company())
    return scene.with_settings(scan_max_notices=2, admin_email="admin@own.example")


async def alerts(scene: Scene) -> list[str]:
    return [each.subject for each in await scene.platform.notifications() if each.notification_type == "alert"]


@pytest.mark.parametrize("page_size", [100, 3, 2, 1])
async def test_it_opens_none_and_alerts_the_operators_once(crowded: Scene, page_size: int) -> None:
    async with crowded.worker():
        for _ in range(2):
            result = await scan(crowded.client, crowded.settings, page_size=page_size)
            assert (result.found, result.opened, result.too_many) == (3, 0, True)
        await crowded.children_end()
    assert await alerts(crowded) == ["The scan opened no notification: 3 items are due"]
    assert [each.recipients for each in crowded.sink.messages] == [("admin@own.example",)]


async def test_allowed_it_opens_all(crowded: Scene) -> None:
    async with crowded.worker():
        result = await scan(crowded.client, crowded.settings, page_size=1, allow_many=True)
        await crowded.children_end()
    assert result == ScanExpiringResult(found=3, opened=3, started=3)
    assert await alerts(crowded) == []


async def test_as_many_as_are_allowed_are_opened(crowded: Scene) -> None:
    async with crowded.with_settings(scan_max_notices=3).worker():
        assert (await scan(crowded.client, crowded.settings, page_size=1)).opened == 3
        await crowded.children_end()


async def test_what_stood_open_before_is_sent_all_the_same(crowded: Scene) -> None:
    project = await crowded.platform.scalar("SELECT max(id) FROM projects")
    await crowded.platform.notification(project)
    await crowded.platform.project(await crowded.platform.company())
    async with crowded.worker():
        result = await crowded.scan()
        await crowded.children_end()
    assert result.too_many
    notification = await crowded.notification()
    assert (notification.project_id, notification.status) == (project, "delivered")


async def test_what_becomes_too_many_while_it_scans_is_not_opened_either(crowded: Scene) -> None:
    """An import commits batch by batch, and the first page has counted only what was there."""

    async def start(_alert: StartableNotification) -> None:
        pass

    alerting = Alerts(crowded.platform.engine, crowded.settings, start)
    next_scan = schedules.next_scan(crowded.client, crowded.settings)
    activities = DueItemActivities(crowded.platform.engine, crowded.settings, alerting, next_scan)
    first = OpenDueInput(datetime.now(UTC), 1, after=FIRST_PAGE, found_before=1)
    assert (await activities.open_due_notifications(first)).opened == 1
    page = await activities.open_due_notifications(replace(first, found_before=2))
    assert (page.found, page.opened, page.too_many, page.next_page) == (3, 0, True, None)
    assert len(await alerts(crowded)) == 1
