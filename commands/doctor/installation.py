"""What the checks of `doctor` look at: the settings, and each server, connected to once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self, TypeVar

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio.client import Client

from db.engine import autocommit, create_engine
from runtime.http_client import new_http_client
from runtime.probing import NoAnswerInTime, answer_within
from settings import Settings
from temporal.client import connect

REACHED_WITHIN = 4.0
"""Seconds in which a server must accept a connection. A check has more, so that it says which server is away."""
MOST_CONNECTIONS = 4
"""To PostgreSQL, since that may be short of them."""

Opened = TypeVar("Opened")


class Away(Exception):
    """A server that a check needs is not reached. Another check says why."""


class Installation:
    """An installation as the environment describes it. An async context manager."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._stack = AsyncExitStack()
        self._engine: asyncio.Task[AsyncEngine] | None = None
        self._client: asyncio.Task[Client] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def engine(self) -> AsyncEngine:
        """Returns the pool, once a connection was opened. Raises what prevents that."""
        if self._engine is None:
            self._engine = asyncio.create_task(_soon(self._open_engine))
        return await asyncio.shield(self._engine)

    async def client(self) -> Client:
        """Returns a connected client of Temporal. Raises what prevents that."""
        if self._client is None:
            self._client = asyncio.create_task(_soon(connect))
        return await asyncio.shield(self._client)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """Opens a connection, on which each statement is its own transaction. Raises `Away`."""
        try:
            engine = await self.engine()
        except Exception as error:  # whatever it is, the check `postgresql` reports it
            raise Away("PostgreSQL is not reached") from error
        async with engine.connect() as connection:
            yield connection

    async def temporal(self) -> Client:
        """The same as `client`, but raises `Away`."""
        try:
            return await self.client()
        except Exception as error:  # whatever it is, the check `temporal` reports it
            raise Away("Temporal is not reached") from error

    async def http(self) -> httpx.AsyncClient:
        """Opens an HTTP client. Raises `CertificatesError`."""
        return await self._stack.enter_async_context(new_http_client(REACHED_WITHIN))

    async def _open_engine(self) -> AsyncEngine:
        few = self.settings.model_copy(update={"database_pool_size": MOST_CONNECTIONS})
        engine = create_engine(few, "doctor")
        self._stack.push_async_callback(engine.dispose)
        async with autocommit(engine).connect() as connection:
            await connection.execute(text("SELECT 1"))
        return autocommit(engine)


async def _soon(open_it: Callable[[], Awaitable[Opened]]) -> Opened:
    try:
        return await answer_within(REACHED_WITHIN, open_it)
    except NoAnswerInTime:
        raise TimeoutError(f"no answer within {REACHED_WITHIN:g} s") from None
