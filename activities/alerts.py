"""Telling the operators of a problem: once, now and then while it lasts, and once when it is over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from contracts.keys import NotificationType, give_up_at, key_of_alert
from contracts.queues import Channel
from contracts.sending import StartableNotification
from db.engine import autocommit
from db.operators import problems
from db.record import startable
from db.record.open import AddressedNotification, open_addressed
from settings import Settings
from temporal.rate_limits import chat_fairness

StartNotification = Callable[[StartableNotification], Awaitable[None]]

UNHEARD_FOR = timedelta(days=1)
"""Beyond ALERT_COOLDOWN. What is not raised again for so long leaves the list of what lasts, without a word."""

_OPERATOR_FAULT = """\
{channel} refuses this installation's credentials or settings: {reason}.

Nobody's notice has failed: all of them wait, and are tried again every {minutes:g} minutes. Mend the setting that
docs/provider-answers.md names for this answer. A secret in a file is read again at the next attempt; after a change of
the environment restart the worker.
"""

log = structlog.get_logger(__name__)


class Alerts:
    """Opens alerts, as notifications in the same record as every notice, and starts their workflows.

    `alert` and `over` log what goes wrong and fail nothing else. The others, for who has to know, raise
    `SQLAlchemyError` and `OSError` with the database away, and ValueError if its secret cannot be read.
    """

    def __init__(self, engine: AsyncEngine, settings: Settings, start: StartNotification) -> None:
        self._engine = engine
        self._settings = settings
        self._start = start

    async def operator_fault(self, channel: Channel, reason: str) -> None:
        """A provider refuses our credentials or settings."""
        await self.alert(reason, *operator_fault_text(self._settings, channel, reason))

    async def alert(self, problem: str, subject: str, message: str) -> None:
        """There is a `problem`, by its stable code. Alerts the admin chat and address, unless that was done within
        ALERT_COOLDOWN."""
        with _logged(problem):
            await self.raise_problem(problem, subject, message)

    async def over(self, problem: str) -> None:
        """There is no such `problem` any more. Says so, if it was alerted before."""
        with _logged(problem):
            await self.end_problem(problem)

    async def raise_problem(self, problem: str, subject: str, message: str) -> bool:
        """As `alert`. Whether an alert was opened."""
        cooldown = timedelta(seconds=self._settings.alert_cooldown)
        async with autocommit(self._engine).connect() as connection:
            if await problems.was_alerted(connection, problem, cooldown):
                return False
        async with self._engine.begin() as connection:
            raised = await problems.raise_problem(connection, problem, subject, cooldown)
            if raised is None:
                return False
            if raised.again:
                subject = f"Still: {subject}"
                message = f"{message.rstrip()}\n\nIt lasts since {raised.since:%Y-%m-%d %H:%M} UTC.\n"
            alert = self._notification(problem, problem, datetime.now(UTC), subject, message)
            opened = await self._open(connection, alert)
        log.error("admin_alerted", problem=problem, alert_id=opened.notification_id, again=raised.again)
        await self._started(opened)
        return True

    async def end_problem(self, problem: str) -> bool:
        """As `over`. Whether an alert was opened."""
        now = datetime.now(UTC)
        async with self._engine.begin() as connection:
            ended = await problems.end_problem(connection, problem)
            if ended is None:
                return False
            opened = await self._open(connection, self._over(problem, ended.subject, ended.since, now))
        log.warning("problem_over", problem=problem, alert_id=opened.notification_id)
        await self._started(opened)
        return True

    async def end_unrecorded(self, problem: str, subject: str, since: datetime, until: datetime) -> None:
        """A problem is over that could not be written down. May run twice: `until` makes it one alert."""
        try:
            async with self._engine.begin() as connection:
                opened = await self._open(connection, self._over(problem, subject, since, until))
        except IntegrityError:  # opened before; where its workflow is missing, the next check starts it
            return
        log.warning("problem_over", problem=problem, alert_id=opened.notification_id)
        await self._started(opened)

    async def start_unstarted(self) -> None:
        """Starts the workflows of alerts that could not be started when they were opened."""
        async with autocommit(self._engine).connect() as connection:
            unstarted = await problems.find_unstarted(connection)
        for each in unstarted:
            await self._started(self._startable(each.notification_id, each.workflow_id, each.give_up_at, each.chat))

    def _over(self, problem: str, subject: str, since: datetime, until: datetime) -> AddressedNotification:
        message = f"It is over. It lasted from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC.\n"
        return self._notification(f"{problem}.over", problem, until, f"Over: {subject}", message)

    def _notification(self, code: str, problem: str, at: datetime, subject: str, message: str) -> AddressedNotification:
        settings = self._settings
        return AddressedNotification(
            NotificationType.ALERT,
            key_of_alert(code, at),
            give_up_at(NotificationType.ALERT, at, None, settings.give_up_after),
            email=settings.admin_email,
            chat=None if settings.telegram_admin_chat_id is None else str(settings.telegram_admin_chat_id),
            subject=subject,
            message=message,
            metadata={"problem": problem},
        )

    async def _open(self, connection: AsyncConnection, alert: AddressedNotification) -> StartableNotification:
        alert_id = await open_addressed(connection, alert)
        return self._startable(alert_id, alert.dedupe_key, alert.give_up_at, alert.chat)

    def _startable(
        self, alert_id: int, workflow_id: str, deadline: datetime, chat: str | None
    ) -> StartableNotification:
        return StartableNotification(
            alert_id,
            NotificationType.ALERT,
            workflow_id,
            deadline,
            telegram_fairness=chat_fairness(self._settings)(chat),
        )

    async def _started(self, alert: StartableNotification) -> None:
        """Starts its workflow. What goes wrong is left to the next check."""
        try:
            await self._start(alert)
        except WorkflowAlreadyStartedError:
            pass  # a scan or another check was faster
        except (RPCError, OSError) as error:
            log.error("alert_left_to_the_next_check", alert_id=alert.notification_id, error=type(error).__name__)
            return
        async with autocommit(self._engine).connect() as connection:
            await startable.mark_started(connection, [alert.notification_id])


def operator_fault_text(settings: Settings, channel: Channel, reason: str) -> tuple[str, str]:
    """Subject and message about a provider that refuses our credentials or settings."""
    return (
        f"{channel.value.capitalize()} is refused: {reason}",
        _OPERATOR_FAULT.format(
            channel="The mail server" if channel is Channel.EMAIL else "Telegram",
            reason=reason,
            minutes=settings.operator_fault_retry / 60,
        ),
    )


@contextmanager
def _logged(problem: str) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, OSError, ValueError) as error:  # ValueError: a secret's file cannot be read
        log.error("alert_failed", problem=problem, error=type(error).__name__)
