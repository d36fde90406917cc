"""The API's way to the database: short, bounded, one statement a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.problems import Unavailable
from db.engine import autocommit

TIMEOUT = 10
"""Seconds for a connection and what is done with it."""

log = structlog.get_logger(__name__)


@asynccontextmanager
async def connection_to(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection in autocommit. Raises `Unavailable` where none is to be had, or where it is lost or too slow."""
    connected = False
    try:
        async with (
            asyncio.timeout(TIMEOUT),
            autocommit(engine).connect() as connection,
        ):
            connected = True
            yield connection
    except (SQLAlchemyError, OSError, ValueError) as error:
        if connected and not _is_away(error):
            raise
        log.warning("database_away", error=type(error).__name__, reason=str(getattr(error, "orig", error)))
        raise Unavailable("The database cannot be reached.") from error


def _is_away(error: Exception) -> bool:
    """Whether the database, rather than the statement, is to blame. SQLSTATE 53: it lacks resources; 57: it was
    told to stop."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or str(getattr(error.orig, "sqlstate", ""))[:2] in ("53", "57")
    return isinstance(error, OSError)
