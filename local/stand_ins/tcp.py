"""A listening socket and its TCP connections, which can be reset one by one or all at once."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

AT_ONCE = struct.pack("ii", 1, 0)


def reset(transport: asyncio.BaseTransport, sock: socket.socket) -> None:
    """Closes with RST: the other side gets ECONNRESET and loses what it has not read. May be called twice.

    `sock` is the socket from when the connection was made, because a TLS transport does not keep it.
    """
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


class Connection(Protocol):
    @property
    def task(self) -> "asyncio.Task[None] | None":
        """The task that serves the client now."""

    def abort(self) -> None:
        """Resets the connection, which is then discarded."""


Kind = TypeVar("Kind", bound=Connection)


class Connections(Generic[Kind]):
    """A server's open connections. `opened` counts all connections so far."""

    def __init__(self) -> None:
        self.opened = 0
        self._open: set[Kind] = set()
        self._none_open = asyncio.Event()
        self._none_open.set()

    def add(self, connection: Kind) -> None:
        self.opened += 1
        self._open.add(connection)
        self._none_open.clear()

    def discard(self, connection: Kind) -> None:
        """Removes the connection. May be called twice."""
        self._open.discard(connection)
        if not self._open:
            self._none_open.set()

    async def abort_all(self) -> None:
        """Resets every connection. Returns when all are closed and their tasks have ended."""
        tasks = [connection.task for connection in self._open if connection.task is not None]
        for connection in list(self._open):
            connection.abort()
        await self._none_open.wait()
        await asyncio.gather(*tasks, return_exceptions=True)


class Server(Generic[Kind]):
    """A listening socket with its open connections."""

    def __init__(self) -> None:
        self.connections: Connections[Kind] = Connections()
        self._server: asyncio.Server | None = None

    async def listen(
        self,
        make_connection: Callable[[], asyncio.Protocol],
        host: str,
        port: int,
        tls: ssl.SSLContext | None = None,
        handshake_seconds: float | None = None,
    ) -> int:
        """Listens on the running loop and returns the port: a free one for 0. Raises OSError if the port is taken."""
        self._server = await asyncio.get_running_loop().create_server(
            make_connection, host, port, ssl=tls, ssl_handshake_timeout=handshake_seconds, backlog=1024
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Closes the listening socket and resets every connection. Does nothing if it does not listen."""
        if self._server is None:
            return
        self._server.close()
        await self.connections.abort_all()
        await self._server.wait_closed()
        self._server = None
