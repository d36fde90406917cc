"""Opens a test notification and starts its workflow: both or neither."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.opening import NewAddressed, open_to_recipients
from api.database import connection_to
from api.problems import Unavailable
from api.requests import NewTestNotification
from channels.configured import send_options
from contracts.keys import NotificationType, key_of_test
from contracts.scanning import StartableNotification
from db.record.open import withdraw
from settings import Settings
from temporal.client import register_search_attributes
from temporal.start import start_and_mark

START_TIMEOUT = timedelta(seconds=5)
"""The limit for a start, with all the client's retries."""

TEMPORAL_ERRORS = (RPCError, RuntimeError, TimeoutError)
"""What a call may raise; RuntimeError if the client was never connected."""

UNREACHABLE = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Started:
    notification_id: int
    workflow_id: str


class TestStarter:
    """Starts test notifications, by the same workflow as the scan."""

    def __init__(self, settings: Settings, engine: AsyncEngine, client: Client) -> None:
        self._settings = settings
        self._options = send_options(settings)
        self._engine = engine
        self._client = client
        self._running: set[asyncio.Task[Started]] = set()
        self._registered = False

    async def start(self, request: NewTestNotification) -> Started:
        """Opens the notification and starts its workflow, even if the caller disconnects meanwhile.

        Raises `Unavailable`. Then nothing is sent, unless the database is away: a notification that was committed
        before stays open, and the next scan starts it or gives it up.
        """
        task = asyncio.create_task(self._open_and_start(request))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def drain(self) -> None:
        """Waits for the starts whose callers have disconnected."""
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _open_and_start(self, request: NewTestNotification) -> Started:
        test = NewAddressed(
            NotificationType.TEST,
            key_of_test(uuid4()),
            request.addresses(),
            subject=request.subject,
            message=request.message,
            html=request.html,
        )
        async with connection_to(self._engine) as connection:
            opened = await open_to_recipients(connection, self._settings, test, datetime.now(UTC))
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
        log.info("test_started", notification_id=opened.notification_id, workflow_id=opened.workflow_id)
        return Started(opened.notification_id, opened.workflow_id)

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
