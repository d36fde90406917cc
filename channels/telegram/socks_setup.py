"""Limits the time in which a connection to a SOCKS proxy is set up. httpx does not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

SETUP_WITHIN = 5.0
"""Seconds. Less than any time-out around it, because httpcore counts a connection whose setup was cancelled as in use
for ever."""
_SETUP = "socks.setup_socks5_connection."


class SocksSetup:
    """Closes the connection of one request if its setup fails or takes too long. httpcore leaves it open."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._stream: Any = None

    async def watch(self, event: str, details: Mapping[str, Any]) -> None:
        """Takes httpx's trace events (https://www.python-httpx.org/advanced/extensions/#trace)."""
        if not event.startswith(_SETUP):
            return
        if event == f"{_SETUP}started":
            self._stream = details["stream"]
            self._timer = asyncio.get_running_loop().call_later(SETUP_WITHIN, self._end)
            return
        if self._timer is not None:
            self._timer.cancel()
        if event == f"{_SETUP}failed":
            await self._stream.aclose()

    def _end(self) -> None:
        """Ends both directions, so that what waits for the proxy's answer sees the end of the connection."""
        with suppress(OSError):
            self._stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
