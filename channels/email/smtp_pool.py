"""SMTP connections kept open between messages, within limits that mail servers commonly set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import aiosmtplib
from aiosmtplib import SMTPException

from channels.base import NotHandedOver

RSET_TIMEOUT = 5.0
"""Seconds. The refusal that came before it is known, and not to be lost for the sake of a connection."""

Connect = Callable[[], Awaitable[aiosmtplib.SMTP]]


@dataclass(frozen=True)
class PoolLimits:
    """Mail servers count a client's connections and the messages over each, and close what idles."""

    connections: int
    """At a time. Postfix allows a client 50 by default."""
    messages: int
    """Over one connection."""
    idle: float
    """Seconds that a connection waits for the next message."""


@dataclass
class PooledConnection:
    """One connection in the hands of one message."""

    smtp: aiosmtplib.SMTP
    connect: Connect
    messages: int = 0
    idle_since: float = 0
    reused: bool = False
    usable: bool = field(default=True, init=False)
    transaction_open: bool = field(default=False, init=False)
    """A refusal has ended the message in the middle: RSET comes before the next one."""

    async def reconnect(self) -> None:
        """Replaces a connection that the server has closed. Raises as connecting does."""
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
    """Hands out connections, the newest idle one first. Who finds all in use waits for one."""

    def __init__(self, connect: Connect, limits: PoolLimits) -> None:
        self._connect = connect
        self._limits = limits
        self._room = asyncio.Semaphore(limits.connections)
        self._idle: list[PooledConnection] = []
        self._eviction: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[PooledConnection]:
        """A connection for one message. Kept afterwards, unless it broke, or left in the middle of a command."""
        async with self._room:
            pooled = await self._take()
            try:
                yield pooled
            except NotHandedOver:
                await pooled.end_transaction()
                raise
            except BaseException:  # left in the middle of a command: nobody knows what the next reply answers
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
        """Closes what has idled for too long, or was closed by the server."""
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
        """Says goodbye on every idle connection."""
        if self._eviction is not None:
            self._eviction.cancel()
        while self._idle:
            pooled = self._idle.pop()
            with suppress(SMTPException, OSError):
                await pooled.smtp.quit()
            pooled.smtp.close()
