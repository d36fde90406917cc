"""Gives routes a database connection for a limited time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.problems import Unavailable
from db.engine import autocommit

TIMEOUT = 10
"""Seconds to connect and to do all work on the connection."""

log = structlog.get_logger(__name__)


def connection_to(engine: AsyncEngine) -> AbstractAsyncContextManager[AsyncConnection]:
    """Opens a connection in autocommit. Raises `Unavailable` if it cannot be opened, is lost or takes too long."""
    return _bounded(autocommit(engine).connect())


def transaction_on(engine: AsyncEngine) -> AbstractAsyncContextManager[AsyncConnection]:
    """Opens a connection in a transaction, which an exception rolls back. Raises as `connection_to`."""
    return _bounded(engine.begin())


@asynccontextmanager
async def _bounded(connecting: AbstractAsyncContextManager[AsyncConnection]) -> AsyncIterator[AsyncConnection]:
    connected = False
    try:
        async with asyncio.timeout(TIMEOUT), connecting as connection:
            connected = True
            yield connection
    except (SQLAlchemyError, OSError, ValueError) as error:
        if connected and not _is_away(error):
            raise
        log.warning("database_away", error=type(error).__name__, reason=str(getattr(error, "orig", error)))
        if connected and isinstance(error, TimeoutError):
            raise Unavailable("The database is busy: try again later.") from error
        raise Unavailable("The database cannot be reached.") from error


def _is_away(error: Exception) -> bool:
    """Whether the database is at fault, and not the statement. SQLSTATE 53: out of resources; 57: shutting down."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or str(getattr(error.orig, "sqlstate", ""))[:2] in ("53", "57")
    return isinstance(error, OSError)
