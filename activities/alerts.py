"""Alerting the operators of a problem: once, again while it lasts, and once when it is over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio.service import RPCError

from activities.opening import NewAddressed, open_to_recipients
from channels.base import Channel
from channels.configured import admin_recipients, deliveries_to_send
from contracts.keys import NotificationType, key_of_alert
from contracts.scanning import StartableNotification
from db.engine import autocommit
from db.operators import problems
from settings import Settings

StartNotification = Callable[[StartableNotification], Awaitable[None]]
"""Starts the workflow of a notification that was opened, and records that it has one."""

UNHEARD_FOR = timedelta(days=1)
"""Beyond ALERT_COOLDOWN. What is not raised again for so long leaves the list of problems, without a word."""

_OPERATOR_FAULT = """\
{provider} refuses this installation's credentials or settings: {reason}.

No notification has failed: all of them wait, and are tried again every {minutes:g} minutes. Correct the setting that
docs/provider-answers.md names for this answer. A secret in a file is read again at the next attempt; after a change of
the environment restart the worker.
"""

log = structlog.get_logger(__name__)


class Alerts:
    """Opens alerts, as notifications in the same record as all others, and starts their workflows.

    `alert` and `withdraw` log what goes wrong and fail nothing else. The others, for callers that must know, raise
    `SQLAlchemyError` and `OSError` with the database away, and ValueError if its secret cannot be read.
    """

    def __init__(self, engine: AsyncEngine, settings: Settings, start: StartNotification) -> None:
        self._engine = engine
        self._settings = settings
        self._start = start

    async def alert_operator_fault(self, channel: Channel, reason: str) -> None:
        """A provider refuses our credentials or settings."""
        await self.alert(reason, *operator_fault_text(self._settings, channel, reason), channel.name)

    async def alert(self, problem: str, subject: str, message: str, channel: str | None = None) -> None:
        """Raises a `problem`, by its stable code: alerts the admins, unless that was done within ALERT_COOLDOWN.

        `channel` is the name of the one that the problem is about.
        """
        with _logged(problem):
            await self.raise_problem(problem, subject, message, channel)

    async def withdraw(self, problem: str) -> None:
        """Ends a `problem`, and says so if it was alerted before."""
        with _logged(problem):
            await self.end_problem(problem)

    async def raise_problem(self, problem: str, subject: str, message: str, channel: str | None = None) -> bool:
        """As `alert`. Whether an alert was opened."""
        cooldown = timedelta(seconds=self._settings.alert_cooldown)
        async with autocommit(self._engine).connect() as connection:
            if await problems.was_alerted(connection, problem, cooldown):
                return False
        async with self._engine.begin() as connection:
            raised = await problems.raise_problem(connection, problem, subject, cooldown, channel)
            if raised is None:
                return False
            if raised.again:
                subject = f"Still: {subject}"
                message = f"{message.rstrip()}\n\nOngoing since {raised.since:%Y-%m-%d %H:%M} UTC.\n"
            alert = await self._open(connection, problem, problem, datetime.now(UTC), subject, message)
        log.error("admin_alerted", problem=problem, alert_id=alert.notification_id, again=raised.again)
        await self._start_or_leave(alert)
        return True

    async def end_problem(self, problem: str) -> bool:
        """As `withdraw`. Whether an alert was opened."""
        now = datetime.now(UTC)
        async with self._engine.begin() as connection:
            ended = await problems.end_problem(connection, problem)
            if ended is None:
                return False
            alert = await self._open_over(connection, problem, ended.subject, ended.since, now)
        log.warning("problem_over", problem=problem, alert_id=alert.notification_id)
        await self._start_or_leave(alert)
        return True

    async def end_unrecorded(self, problem: str, subject: str, since: datetime, until: datetime) -> None:
        """Says that a problem is over that could not be recorded. May run twice: `until` makes it one alert."""
        try:
            async with self._engine.begin() as connection:
                alert = await self._open_over(connection, problem, subject, since, until)
        except IntegrityError:  # opened before; where its workflow is missing, the next check starts it
            return
        log.warning("problem_over", problem=problem, alert_id=alert.notification_id)
        await self._start_or_leave(alert)

    async def start_unstarted(self) -> None:
        """Starts the workflows of alerts that could not be started when they were opened."""
        async with autocommit(self._engine).connect() as connection:
            unstarted = await problems.find_unstarted(connection)
        to_send = deliveries_to_send(self._settings)
        for each in unstarted:
            alert = StartableNotification(
                notification_id=each.notification_id,
                notification_type=NotificationType.ALERT,
                workflow_id=each.workflow_id,
                give_up_at=each.give_up_at,
                deliveries=to_send(None, each.deliveries),
            )
            await self._start_or_leave(alert)

    async def _open_over(
        self, connection: AsyncConnection, problem: str, subject: str, since: datetime, until: datetime
    ) -> StartableNotification:
        message = f"It lasted from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC.\n"
        return await self._open(connection, f"{problem}.over", problem, until, f"Over: {subject}", message)

    async def _open(
        self, connection: AsyncConnection, code: str, problem: str, at: datetime, subject: str, message: str
    ) -> StartableNotification:
        alert = NewAddressed(
            NotificationType.ALERT,
            key_of_alert(code, at),
            admin_recipients(self._settings),
            subject=subject,
            message=message,
            metadata={"problem": problem},
        )
        return await open_to_recipients(connection, self._settings, alert, at)

    async def _start_or_leave(self, alert: StartableNotification) -> None:
        """Starts its workflow, or leaves it to the next check."""
        try:
            await self._start(alert)
        except (RPCError, OSError) as error:
            log.error("alert_start_deferred", alert_id=alert.notification_id, error=type(error).__name__)


def operator_fault_text(settings: Settings, channel: Channel, reason: str) -> tuple[str, str]:
    """Subject and message about a provider that refuses our credentials or settings."""
    return (
        f"{channel.words.heading} is refused: {reason}",
        _OPERATOR_FAULT.format(
            provider=channel.words.provider, reason=reason, minutes=settings.operator_fault_retry / 60
        ),
    )


@contextmanager
def _logged(problem: str) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, OSError, ValueError) as error:  # ValueError: a secret's file cannot be read
        log.error("alert_failed", problem=problem, error=type(error).__name__)
