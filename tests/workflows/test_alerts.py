"""Alerts to the admin: one for each problem, however many meet it at the same time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from activities.alerts import Alerts
from contracts import NotificationType, StartableNotification, key_of_alert
from db import alerts
from db.notifications import AddressedNotification
from settings import Settings
from tests.data import Platform

COOLDOWN = timedelta(hours=1)


def alert(problem: str) -> AddressedNotification:
    now = datetime.now(UTC)
    return AddressedNotification(
        NotificationType.ALERT,
        key_of_alert(problem, now),
        now + timedelta(days=1),
        email="admin@own.example",
        chat=None,
        metadata={"problem": problem},
    )


async def open_once(engine: AsyncEngine, problem: str) -> int | None:
    async with engine.begin() as connection:
        return await alerts.open_once(connection, alert(problem), problem, COOLDOWN)


async def test_of_many_that_meet_a_problem_one_raises_it(engine: AsyncEngine, platform: Platform) -> None:
    opened = await asyncio.gather(*(open_once(engine, "smtp_auth_535") for _ in range(8)))
    assert sum(each is not None for each in opened) == 1
    assert [each.notification_type for each in await platform.notifications()] == ["alert"]


async def test_another_problem_is_raised_too_and_the_same_one_again_after_a_while(
    engine: AsyncEngine, platform: Platform
) -> None:
    assert await open_once(engine, "smtp_auth_535") is not None
    assert await open_once(engine, "telegram_401") is not None
    assert await open_once(engine, "smtp_auth_535") is None
    await platform.execute(
        "UPDATE notifications SET created_at = now() - interval '61 minutes', dedupe_key = 'earlier.' || id"
    )
    assert await open_once(engine, "smtp_auth_535") is not None


async def test_an_alert_is_started_once_and_bears_the_reason(
    engine: AsyncEngine, settings: Settings, platform: Platform
) -> None:
    started: list[StartableNotification] = []

    async def start(notification: StartableNotification) -> None:
        started.append(notification)

    admin = settings.model_copy(update={"admin_email": "admin@own.example", "telegram_admin_chat_id": 4711})
    raising = Alerts(engine, admin, start)
    await raising.alert("disk_full", "The disk is full", "Make room.")
    await raising.alert("disk_full", "The disk is full", "Make room.")

    [notification] = await platform.notifications()
    assert [each.notification_id for each in started] == [notification.id]
    assert notification.workflow_id.startswith("alert.disk_full.")
    assert (notification.subject, notification.message, notification.started_at is not None) == (
        "The disk is full",
        "Make room.",
        True,
    )
    assert {(each.channel, each.status) for each in await platform.deliveries()} == {
        ("email", "pending"),
        ("telegram", "pending"),
    }
