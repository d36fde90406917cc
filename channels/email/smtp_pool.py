"""Keeps SMTP connections open between messages, within limits that mail servers commonly set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import aiosmtplib
from aiosmtplib import SMTPException

from channels.base import NotHandedOver

RSET_TIMEOUT = 5.0
"""Seconds. Short, so that saving a connection does not delay the refusal that came before."""

Connect = Callable[[], Awaitable[aiosmtplib.SMTP]]


@dataclass(frozen=True)
class PoolLimits:
    """Limits of the pool. Mail servers limit a client's connections and the messages on each, and close idle ones."""

    connections: int
    """Connections at a time. Postfix allows a client 50 by default."""
    messages: int
    """Messages over one connection."""
    idle: float
    """Seconds after which an idle connection is closed."""


@dataclass
class PooledConnection:
    """A connection in use by one message."""

    smtp: aiosmtplib.SMTP
    connect: Connect
    messages: int = 0
    idle_since: float = 0
    reused: bool = False
    usable: bool = field(default=True, init=False)
    transaction_open: bool = field(default=False, init=False)
    """A refusal ended the message early: RSET must come before the next one."""

    async def reconnect(self) -> None:
        """Replaces a connection that the server has closed. Raises as `connect` does."""
        self.smtp.close()
        self.usable = False
        self.smtp = await self.connect()
        self.messages, self.reused, self.usable = 0, False, True

    async def end_transaction(self) -> None:
        if self.transaction_open and self.usable:
            self.transaction_open = self.usable = False  # not until the server has answered
            with suppress(SMTPException, OSError):
                async with asyncio.timeout(RSET_TIMEOUT):
                    await self.smtp.rset()
                self.usable = True

    def discard(self) -> None:
        self.usable = False


class SmtpPool:
    """Hands out connections, the most recently used first. If all are in use, the caller waits."""

    def __init__(self, connect: Connect, limits: PoolLimits) -> None:
        self._connect = connect
        self._limits = limits
        self._room = asyncio.Semaphore(limits.connections)
        self._idle: list[PooledConnection] = []
        self._eviction: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[PooledConnection]:
        """Lends a connection for one message. It is kept afterwards, unless it broke or was left within a command."""
        async with self._room:
            pooled = await self._take()
            try:
                yield pooled
            except NotHandedOver:
                await pooled.end_transaction()
                raise
            except BaseException:  # left within a command: the next reply could answer either one
                pooled.discard()
                raise
            finally:
                self._put_back(pooled)

    async def _take(self) -> PooledConnection:
        self._evict()
        if self._idle:
            pooled = self._idle.pop()
            pooled.reused = True
            return pooled
        return PooledConnection(await self._connect(), self._connect)

    def _put_back(self, pooled: PooledConnection) -> None:
        pooled.messages += 1
        if not (pooled.usable and pooled.smtp.is_connected and pooled.messages < self._limits.messages):
            pooled.smtp.close()
            return
        loop = asyncio.get_running_loop()
        pooled.idle_since = loop.time()
        self._idle.append(pooled)
        if self._eviction is None:
            self._eviction = loop.call_later(self._limits.idle, self._evict_later)

    def _evict(self) -> None:
        """Closes connections that have been idle too long or that the server has closed."""
        oldest = asyncio.get_running_loop().time() - self._limits.idle
        kept = [pooled for pooled in self._idle if pooled.idle_since > oldest and pooled.smtp.is_connected]
        for pooled in self._idle:
            if pooled not in kept:
                pooled.smtp.close()
        self._idle = kept

    def _evict_later(self) -> None:
        self._evict()
        self._eviction = None
        if self._idle:
            loop = asyncio.get_running_loop()
            due = self._idle[0].idle_since + self._limits.idle - loop.time()
            self._eviction = loop.call_later(max(due, 0.01), self._evict_later)

    async def close(self) -> None:
        """Sends QUIT on every idle connection and closes it."""
        if self._eviction is not None:
            self._eviction.cancel()
        while self._idle:
            pooled = self._idle.pop()
            with suppress(SMTPException, OSError):
                await pooled.smtp.quit()
            pooled.smtp.close()
