"""Attempts by the application's own activity, with its connections kept between them, and no workflow around."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.alerts import Alerts
from activities.attempt import DeliveryAttempts
from channels.configured import new_renderer
from channels.email.channel import CHANNEL
from contracts.scanning import StartableNotification
from contracts.sending import DeliveryStatus, DeliveryWaits, SendInput
from settings import Settings
from tests.mta.postfix import Postfix
from tests.support.data import Platform, in_days


class Attempts:
    """What one worker would do, one notice after the other."""

    def __init__(self, platform: Platform, attempts: DeliveryAttempts) -> None:
        self._platform = platform
        self._send = attempts.send_activity()

    async def accepted(self, recipient: str) -> str:
        """One attempt at a new notice, which succeeds. Returns its Message-ID."""
        notification = await self._notification(recipient)
        result = await self._attempt(notification)
        assert result.status is DeliveryStatus.ACCEPTED
        return str((await self._delivery(notification)).provider_id)

    async def refused(self, recipient: str) -> Any:
        """One attempt at a new notice, which does not succeed. Returns the delivery's row."""
        notification = await self._notification(recipient)
        with pytest.raises(ApplicationError) as refusal:
            await self._attempt(notification)
        delivery = await self._delivery(notification)
        assert refusal.value.type == delivery.reason
        return delivery

    async def _notification(self, recipient: str) -> int:
        company = await self._platform.company(contact_email=recipient)
        return await self._platform.notification(await self._platform.project(company))

    async def _attempt(self, notification: int) -> Any:
        return await ActivityEnvironment().run(self._send, SendInput(notification, in_days(1)))

    async def _delivery(self, notification: int) -> Any:
        [delivery] = [each for each in await self._platform.deliveries("email") if each.notification_id == notification]
        return delivery


@asynccontextmanager
async def attempts_at(engine: AsyncEngine, platform: Platform, settings: Settings) -> AsyncIterator[Attempts]:
    """With connections that are closed at the end."""
    alerts = Alerts(engine, settings, _leave_alone)
    async with CHANNEL.open(settings, new_renderer(settings), settings.worker_concurrency) as sender:
        yield Attempts(
            platform, DeliveryAttempts(engine, settings, alerts, _NeverStopped(), CHANNEL, sender, _tell_nobody)
        )


async def _tell_nobody(workflow_id: str, run_id: str, waits: DeliveryWaits) -> None:
    """No workflow waits for these attempts."""


async def _leave_alone(_alert: StartableNotification) -> None:
    """No worker runs that could send it."""


class _NeverStopped:
    """No mail server names a time."""

    async def stop(self, channel: str, until: datetime) -> None:
        raise AssertionError(f"{channel} was stopped until {until}")

    async def resume(self, channel: str) -> datetime | None:
        raise AssertionError(f"{channel} was resumed")


StartAttempts = Callable[[Postfix], Awaitable[Attempts]]
