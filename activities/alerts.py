"""Alerts the operators about a problem: once, again while it lasts, and once when it is over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio.service import RPCError

from activities.metrics import OPENED, meter_here
from activities.opening import NewAddressed, open_to_recipients
from channels.base import Channel
from channels.configured import admin_recipients, deliveries_to_send
from contracts.keys import NotificationType, key_of_alert
from contracts.scanning import StartableNotification
from db.engine import autocommit
from db.errors import DATABASE_ERRORS, describe
from db.operators import problems
from settings import Settings

StartNotification = Callable[[StartableNotification], Awaitable[None]]
"""Starts the workflow of an open notification, and records that it has one."""

UNHEARD_FOR = timedelta(days=1)
"""A problem that is not raised again within this time after ALERT_COOLDOWN is forgotten, without an alert."""

_OPERATOR_FAULT = """\
{provider} refuses this installation's credentials or settings: {reason}.

No notification has failed. They wait, and are tried again every {minutes:g} minutes. To fix it, look up {reason} in
docs/provider-answers.md and correct the setting named there. The worker reads a secret in a file again at the next
attempt. If you change the environment, restart the worker.
"""

log = structlog.get_logger(__name__)


class Alerts:
    """Opens alerts, as notifications in the same record as all others, and starts their workflows.

    `alert` and `withdraw` only log errors. The other methods raise `DATABASE_ERRORS` if the database is away, and
    ValueError if its secret cannot be read.
    """

    def __init__(self, engine: AsyncEngine, settings: Settings, start: StartNotification) -> None:
        self._engine = engine
        self._settings = settings
        self._start = start

    async def alert(self, problem: str, subject: str, message: str, channel: str | None = None) -> None:
        """Alerts the operators about a `problem`, unless they were alerted of it within ALERT_COOLDOWN.

        `problem` is a stable code; `channel` is the name of the channel that it is about.
        """
        with _log_errors(problem):
            await self.raise_problem(problem, subject, message, channel)

    async def withdraw(self, problem: str) -> None:
        """Ends a `problem`, and alerts that it is over if it was alerted before."""
        with _log_errors(problem):
            await self.end_problem(problem)

    async def raise_problem(self, problem: str, subject: str, message: str, channel: str | None = None) -> bool:
        """Does the same as `alert`. Returns whether it opened an alert."""
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
        await self._start_opened(alert)
        return True

    async def end_problem(self, problem: str) -> bool:
        """Does the same as `withdraw`. Returns whether it opened an alert."""
        now = datetime.now(UTC)
        async with self._engine.begin() as connection:
            ended = await problems.end_problem(connection, problem)
            if ended is None:
                return False
            alert = await self._open_over(connection, problem, ended.subject, ended.since, now)
        log.warning("problem_over", problem=problem, alert_id=alert.notification_id)
        await self._start_opened(alert)
        return True

    async def end_unrecorded(self, problem: str, subject: str, since: datetime, until: datetime) -> None:
        """Alerts that a problem is over that could not be recorded. May run twice: `until` makes it one alert."""
        try:
            async with self._engine.begin() as connection:
                alert = await self._open_over(connection, problem, subject, since, until)
        except IntegrityError:  # opened before; if its workflow is missing, the next check starts it
            return
        log.warning("problem_over", problem=problem, alert_id=alert.notification_id)
        await self._start_opened(alert)

    async def open_once(self, key: str, subject: str, message: str, metadata: Mapping[str, str]) -> int | None:
        """Tells the operators something that is no problem, so that no cooldown holds it. Returns the notification's
        id; None: it was opened before, under the same key."""
        try:
            async with self._engine.begin() as connection:
                told = await self._open_keyed(connection, key, datetime.now(UTC), subject, message, metadata)
        except IntegrityError:  # if its workflow is missing, the next check starts it
            return None
        log.info("admin_told", key=key, alert_id=told.notification_id)
        await self._start_opened(told)
        return told.notification_id

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
                deliveries=to_send(NotificationType.ALERT, None, each.deliveries),
            )
            await self._start_or_defer(alert)

    async def _open_over(
        self, connection: AsyncConnection, problem: str, subject: str, since: datetime, until: datetime
    ) -> StartableNotification:
        message = f"It lasted from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC.\n"
        return await self._open(connection, f"{problem}.over", problem, until, f"Over: {subject}", message)

    async def _open(
        self, connection: AsyncConnection, code: str, problem: str, at: datetime, subject: str, message: str
    ) -> StartableNotification:
        return await self._open_keyed(
            connection, key_of_alert(code, at), at, subject, message, metadata={"problem": problem}
        )

    async def _open_keyed(
        self,
        connection: AsyncConnection,
        key: str,
        at: datetime,
        subject: str,
        message: str,
        metadata: Mapping[str, str],
    ) -> StartableNotification:
        alert = NewAddressed(
            NotificationType.ALERT,
            key,
            admin_recipients(self._settings),
            subject=subject,
            message=message,
            metadata=dict(metadata),
        )
        return await open_to_recipients(connection, self._settings, alert, at)

    async def _start_opened(self, alert: StartableNotification) -> None:
        OPENED.add(meter_here(), notification_type=NotificationType.ALERT.value)
        await self._start_or_defer(alert)

    async def _start_or_defer(self, alert: StartableNotification) -> None:
        """Starts the alert's workflow, or leaves that to the next health check."""
        try:
            await self._start(alert)
        except (RPCError, OSError) as error:
            log.error("alert_start_deferred", alert_id=alert.notification_id, error=type(error).__name__)


def operator_fault_text(settings: Settings, channel: Channel, reason: str) -> tuple[str, str]:
    """Returns subject and message about a provider that refuses our credentials or settings."""
    return (
        f"{channel.words.heading} is refused: {reason}",
        _OPERATOR_FAULT.format(
            provider=channel.words.provider, reason=reason, minutes=settings.operator_fault_retry / 60
        ),
    )


@contextmanager
def _log_errors(problem: str) -> Iterator[None]:
    try:
        yield
    except (*DATABASE_ERRORS, ValueError) as error:  # ValueError: a secret's file cannot be read
        log.error("alert_failed", problem=problem, error=describe(error))
