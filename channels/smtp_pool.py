"""SMTP connections kept open between messages, within limits that mail servers commonly set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import aiosmtplib
from aiosmtplib import SMTPException

from channels.results import NotHandedOver

MAX_MESSAGES = 100
"""Messages over one connection; Postfix's own limit for a client is of this order."""
MAX_IDLE = 30.0
"""Seconds that a connection waits for the next message; servers close idle ones after minutes."""

Connect = Callable[[], Awaitable[aiosmtplib.SMTP]]


@dataclass
class PooledConnection:
    """One connection in the hands of one message."""

    smtp: aiosmtplib.SMTP
    connect: Connect
    messages: int = 0
    idle_since: float = 0
    reused: bool = False
    usable: bool = field(default=True, init=False)

    async def reconnect(self) -> None:
        """Replaces a connection that the server has closed. Raises as connecting does."""
        self.smtp.close()
        self.usable = False
        self.smtp = await self.connect()
        self.messages, self.reused, self.usable = 0, False, True

    async def reset(self) -> None:
        """Ends the transaction that a refusal left open, so that the connection can serve the next message."""
        try:
            await self.smtp.rset()
        except SMTPException:
            self.discard()

    def discard(self) -> None:
        self.usable = False


class SmtpPool:
    """At most as many connections as there are messages under way; the newest idle one is used first."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._idle: list[PooledConnection] = []

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[PooledConnection]:
        """A connection for one message. Kept afterwards, unless it broke, or left in the middle of a command."""
        pooled = await self._take()
        try:
            yield pooled
        except NotHandedOver:
            raise
        except BaseException:  # left in the middle of a command: nobody knows what the next reply answers
            pooled.discard()
            raise
        finally:
            pooled.messages += 1
            if pooled.usable and pooled.smtp.is_connected and pooled.messages < MAX_MESSAGES:
                pooled.idle_since = asyncio.get_running_loop().time()
                self._idle.append(pooled)
            else:
                pooled.smtp.close()

    async def _take(self) -> PooledConnection:
        now = asyncio.get_running_loop().time()
        while self._idle:
            pooled = self._idle.pop()
            if now - pooled.idle_since <= MAX_IDLE and pooled.smtp.is_connected:
                pooled.reused = True
                return pooled
            pooled.smtp.close()
        return PooledConnection(await self._connect(), self._connect)

    async def close(self) -> None:
        """Says goodbye on every idle connection."""
        while self._idle:
            pooled = self._idle.pop()
            with suppress(SMTPException, OSError):
                await pooled.smtp.quit()
            pooled.smtp.close()
