"""Opens a test notification and starts its workflow: both or neither."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from uuid import uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.exceptions import HTTPException
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.metrics import OPENED, meter_of
from activities.opening import NewAddressed, open_to_recipients
from api.allowed_recipients import AllowedRecipients
from api.database import Turns, connection_to, limit_lock_wait, transaction_on
from api.problems import TooMany, Unavailable
from api.requests import NewTestNotification
from channels.configured import deliveries_to_send, send_options
from contracts.keys import NotificationType, key_of_test
from contracts.scanning import StartableNotification
from db.record import requested_tests
from db.record.open import withdraw
from db.record.requested_tests import KnownRequest, Usage
from settings import Settings
from temporal.attributes import register_search_attributes
from temporal.start import start_and_mark

START_TIMEOUT = timedelta(seconds=5)
"""The limit for a start, with all the client's retries."""

TEMPORAL_ERRORS = (RPCError, RuntimeError, TimeoutError)
"""What a call may raise; RuntimeError if the client was never connected."""

WAITING_RETRY = timedelta(seconds=30)
HOUR = requested_tests.LIMITED_WITHIN

UNREACHABLE = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Started:
    notification_id: int
    workflow_id: str


@dataclass(frozen=True)
class _Asked:
    """What a caller asks for. The same key with the same fingerprint is the same request."""

    test: NewTestNotification
    caller: str
    actor: str
    """Who is recorded for it."""
    idempotency_key: str | None
    fingerprint: str


class TestStarter:
    """Starts test notifications, by the same workflow as the scan."""

    def __init__(self, settings: Settings, engine: AsyncEngine, client: Client, allowed: AllowedRecipients) -> None:
        self._settings = settings
        self._options = send_options(settings)
        self._engine = engine
        self._client = client
        self._meter = meter_of(client)
        OPENED.add(self._meter, 0, notification_type=NotificationType.TEST.value)
        self._allowed = allowed
        self._turns = Turns(at_a_time=max(1, settings.database_pool_size // 4))
        self._running: set[asyncio.Task[Started]] = set()
        self._registered = False

    async def start(self, test: NewTestNotification, caller: str, actor: str, idempotency_key: str | None) -> Started:
        """Opens the notification and starts its workflow, even if the caller disconnects meanwhile. A request whose key
        came before is answered with the same notification.

        Raises `Unavailable`. Then nothing is sent, unless the database is away: a notification that was committed
        before stays open, and the next scan starts it or gives it up. Raises `TooMany`, a 422 for a key that came with
        another body, and `RequestValidationError` for a recipient that is not allowed.
        """
        self._allowed.check(test)
        asked = _Asked(test, caller, actor, idempotency_key, test.fingerprint())
        task = asyncio.create_task(self._open_and_start(asked))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def drain(self) -> None:
        """Waits for the starts whose callers have disconnected."""
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _open_and_start(self, asked: _Asked) -> Started:
        async with self._turns.take(), transaction_on(self._engine) as connection:
            await limit_lock_wait(connection)
            await requested_tests.take_turn(connection)
            wanted = await self._find(connection, asked) or await self._open(connection, asked)
        match wanted:
            case StartableNotification():
                OPENED.add(self._meter, notification_type=NotificationType.TEST.value)
                await self._start_or_withdraw(wanted)
                log.info("test_started", notification_id=wanted.notification_id, workflow_id=wanted.workflow_id)
            case KnownRequest():
                if not wanted.started:
                    await self._start_again(wanted)
                log.info("test_repeated", notification_id=wanted.notification_id, workflow_id=wanted.workflow_id)
        return Started(wanted.notification_id, wanted.workflow_id)

    async def _find(self, connection: AsyncConnection, asked: _Asked) -> KnownRequest | None:
        if asked.idempotency_key is None:
            return None
        known = await requested_tests.find(connection, asked.caller, asked.idempotency_key)
        if known is not None and known.fingerprint != asked.fingerprint:
            raise HTTPException(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "This Idempotency-Key was used with another body: send a new key with a new request.",
            )
        return known

    async def _open(self, connection: AsyncConnection, asked: _Asked) -> StartableNotification:
        self._refuse_over_limit(await requested_tests.count(connection, asked.caller))
        test = NewAddressed(
            NotificationType.TEST,
            key_of_test(uuid4()),
            asked.test.addresses(),
            subject=asked.test.subject,
            message=asked.test.message,
            html=asked.test.html,
        )
        opened = await open_to_recipients(connection, self._settings, test, datetime.now(UTC))
        await requested_tests.add(
            connection, asked.caller, asked.idempotency_key, asked.fingerprint, opened.notification_id, asked.actor
        )
        return opened

    def _refuse_over_limit(self, usage: Usage) -> None:
        settings = self._settings
        if usage.waiting >= settings.test_max_waiting:
            raise TooMany(f"{usage.waiting} test notifications wait to be sent: try again later.", WAITING_RETRY)
        for used, limit, free_in, whose in (
            (usage.of_key, settings.test_limit_per_key, usage.key_free_in, "with this API key"),
            (usage.in_all, settings.test_limit, usage.all_free_in, "in all"),
        ):
            if used >= limit:
                raise TooMany(f"{used} test notifications {whose} within an hour: try again later.", free_in or HOUR)

    async def _start_or_withdraw(self, opened: StartableNotification) -> None:
        try:
            await self._start_workflow(opened)
        except TEMPORAL_ERRORS as error:
            # The workflow may have started with only the answer lost: the row in the database decides.
            if await self._withdraw(opened.notification_id):
                log.warning(
                    "test_not_started", notification_id=opened.notification_id, error=f"{type(error).__name__}: {error}"
                )
                raise Unavailable(f"{_reason(error)} Nothing is sent.") from error
        except BaseException:
            await self._withdraw(opened.notification_id)
            raise

    async def _start_again(self, known: KnownRequest) -> None:
        """Starts what an earlier request has opened and not started yet: that request is about to start it, or its
        process has died. Only that request may withdraw it."""
        notification = StartableNotification(
            notification_id=known.notification_id,
            notification_type=NotificationType.TEST,
            workflow_id=known.workflow_id,
            give_up_at=known.give_up_at,
            deliveries=deliveries_to_send(self._settings)(NotificationType.TEST, None, known.deliveries),
        )
        try:
            await self._start_workflow(notification)
        except TEMPORAL_ERRORS as error:
            raise Unavailable(f"{_reason(error)} Try again with the same key.") from error
        async with connection_to(self._engine) as connection:
            if not await requested_tests.is_recorded(connection, known.notification_id):
                raise Unavailable("The first request with this key could not be started. Nothing is sent.")

    async def _start_workflow(self, opened: StartableNotification) -> None:
        async with asyncio.timeout(START_TIMEOUT.total_seconds()):
            await self._ensure_search_attributes()
            await start_and_mark(self._client, self._options, self._engine, opened, rpc_timeout=START_TIMEOUT)

    async def _ensure_search_attributes(self) -> None:
        """Registers the search attributes, once: in a new namespace no worker may have done it yet, and Temporal
        refuses unknown ones."""
        if not self._registered:
            await register_search_attributes(self._client)
            self._registered = True

    async def _withdraw(self, notification_id: int) -> bool:
        """Deletes the notification unless its workflow is at work. Returns whether it is gone."""
        try:
            async with connection_to(self._engine) as connection:
                return await withdraw(connection, notification_id)
        except Unavailable as error:
            log.error("test_not_withdrawn", notification_id=notification_id)
            raise Unavailable(
                f"Temporal and the database cannot be reached. Notification {notification_id} may still be sent."
            ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, RPCError) and error.status not in UNREACHABLE:
        return f"Temporal refused to start the workflow ({error.status.name})."
    return "Temporal cannot be reached."
