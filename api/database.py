"""Gives routes a database connection for a limited time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.problems import Unavailable
from db.engine import autocommit
from db.errors import DATABASE_ERRORS, Trouble, describe, sqlstate_of, trouble_of

TIMEOUT = 10
"""Seconds to connect and to do all work on the connection."""

LOCK_TIMEOUT = 4.0
"""Seconds to wait for a lock that an import or a deactivation holds, and for a turn to wait for it."""
LOCK_NOT_AVAILABLE = "55P03"
BUSY = "The database is busy: try again later."

log = structlog.get_logger(__name__)


def connection_to(engine: AsyncEngine) -> AbstractAsyncContextManager[AsyncConnection]:
    """Opens a connection in autocommit. Raises `Unavailable` if it cannot be opened, is lost or takes too long."""
    return _bounded(autocommit(engine).connect())


def transaction_on(engine: AsyncEngine) -> AbstractAsyncContextManager[AsyncConnection]:
    """Opens a connection in a transaction, which an exception rolls back. Raises as `connection_to`."""
    return _bounded(engine.begin())


class Turns:
    """Lets work that may wait for a lock in the database have a few of the pool's connections, and not all of them.
    The rest of the work waits here, without a connection."""

    def __init__(self, at_a_time: int) -> None:
        self._free = asyncio.Semaphore(at_a_time)

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Waits at most LOCK_TIMEOUT for a turn. Raises `Unavailable` if none comes."""
        try:
            async with asyncio.timeout(LOCK_TIMEOUT):
                await self._free.acquire()
        except TimeoutError:
            raise Unavailable(BUSY) from None
        try:
            yield
        finally:
            self._free.release()


async def limit_lock_wait(connection: AsyncConnection) -> None:
    """Makes the transaction's statements wait at most LOCK_TIMEOUT for a lock."""
    milliseconds = str(int(LOCK_TIMEOUT * 1000))
    await connection.execute(text("SELECT set_config('lock_timeout', :wait, true)"), {"wait": milliseconds})


@asynccontextmanager
async def _bounded(connecting: AbstractAsyncContextManager[AsyncConnection]) -> AsyncIterator[AsyncConnection]:
    connected = False
    try:
        async with asyncio.timeout(TIMEOUT), connecting as connection:
            connected = True
            yield connection
    except (*DATABASE_ERRORS, ValueError) as error:
        if connected and sqlstate_of(error) == LOCK_NOT_AVAILABLE:
            raise Unavailable(BUSY) from error
        if connected and not (isinstance(error, DATABASE_ERRORS) and trouble_of(error) is Trouble.WAIT):
            raise
        log.warning("database_away", error=describe(error), reason=str(getattr(error, "orig", error)))
        if connected and isinstance(error, TimeoutError):
            raise Unavailable(BUSY) from error
        raise Unavailable("The database cannot be reached.") from error
