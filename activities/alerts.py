"""Telling the admin of a problem: once for each, through the same workflow and record as every notice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from contracts import Channel, NotificationType, StartableNotification, give_up_at, key_of_alert
from db import alerts, fan_out
from db.engine import autocommit
from db.notifications import AddressedNotification
from rate_limits import chat_fairness
from settings import Settings

StartNotification = Callable[[StartableNotification], Awaitable[None]]

_OPERATOR_FAULT = """\
{channel} refuses this installation's credentials or settings: {reason}.

Nobody's notice has failed: all of them wait, and are tried again every {minutes:g} minutes. Mend the setting that
docs/provider-answers.md names for this answer. A secret in a file is read again at the next attempt; after a change of
the environment restart the worker.
"""

log = structlog.get_logger(__name__)


class Alerts:
    """Opens an alert and starts its workflow. What fails here is logged and fails nothing else."""

    def __init__(self, engine: AsyncEngine, settings: Settings, start: StartNotification) -> None:
        self._engine = engine
        self._settings = settings
        self._start = start

    async def operator_fault(self, channel: Channel, reason: str) -> None:
        """A provider refuses our credentials or settings."""
        await self.alert(
            reason,
            f"{channel.value.capitalize()} is refused: {reason}",
            _OPERATOR_FAULT.format(
                channel="The mail server" if channel is Channel.EMAIL else "Telegram",
                reason=reason,
                minutes=self._settings.operator_fault_retry / 60,
            ),
        )

    async def alert(self, problem: str, subject: str, message: str) -> None:
        """Alerts the admin chat and address, unless that was done for this `problem` within ALERT_COOLDOWN."""
        try:
            opened = await self._open(problem, subject, message)
            if opened is not None:
                log.error("admin_alerted", problem=problem, alert_id=opened.notification_id)
                await self._start(opened)
                async with autocommit(self._engine).connect() as connection:
                    await fan_out.mark_started(connection, [opened.notification_id])
        except WorkflowAlreadyStartedError:
            pass  # a scan was faster
        except (SQLAlchemyError, OSError, RPCError, ValueError) as error:  # ValueError: a secret's file cannot be read
            log.error("alert_left_to_the_next_scan", problem=problem, error=type(error).__name__)

    async def over(self, problem: str) -> None:
        """The problem is over, if it lasted."""

    async def _open(self, problem: str, subject: str, message: str) -> StartableNotification | None:
        settings = self._settings
        cooldown = timedelta(seconds=settings.alert_cooldown)
        async with autocommit(self._engine).connect() as connection:
            if await alerts.was_raised(connection, problem, cooldown):
                return None
        now = datetime.now(UTC)
        chat = None if settings.telegram_admin_chat_id is None else str(settings.telegram_admin_chat_id)
        alert = AddressedNotification(
            NotificationType.ALERT,
            key_of_alert(problem, now),
            give_up_at(NotificationType.ALERT, now, None, settings.give_up_after),
            email=settings.admin_email,
            chat=chat,
            subject=subject,
            message=message,
            metadata={"problem": problem},
        )
        async with self._engine.begin() as connection:
            alert_id = await alerts.open_once(connection, alert, problem, cooldown)
        if alert_id is None:
            return None
        return StartableNotification(
            alert_id,
            NotificationType.ALERT,
            alert.dedupe_key,
            alert.give_up_at,
            telegram_fairness=chat_fairness(settings)(chat),
        )
