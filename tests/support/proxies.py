"""Small proxies that note where they were asked to go: HTTP (forwarding and CONNECT) and SOCKS 5."""

from __future__ import annotations

import asyncio
import base64
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

USER, PASSWORD = "proxy-user", "proxy-password"


class Proxy(ABC):
    """Listens on a free port of loopback while it is open. With `login` it asks for USER and PASSWORD."""

    scheme: str

    def __init__(self, *, login: bool = False) -> None:
        self.targets: list[str] = []
        """Each `host:port` that it was asked for, and whose login was right."""
        self._login = login
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    @property
    def url(self) -> str:
        assert self._server is not None
        login = f"{USER}:{PASSWORD}@" if self._login else ""
        return f"{self.scheme}://{login}127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):  # the client has gone
            await self._carry(reader, writer)
        writer.close()

    @abstractmethod
    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Reads where to go, and goes there."""

    async def _tunnel(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int, first: bytes = b""
    ) -> None:
        there, to_there = await asyncio.open_connection(host, port)
        to_there.write(first)
        async with asyncio.TaskGroup() as both:
            both.create_task(_copy(reader, to_there))
            both.create_task(_copy(there, writer))


class HttpProxy(Proxy):
    scheme = "http"

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode())
        if self._login and b"Proxy-Authorization: Basic " + login not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        url = urlsplit(f"//{target}" if method == "CONNECT" else target)
        host, port = url.hostname or "", url.port or 80
        self.targets.append(f"{host}:{port}")
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await self._tunnel(reader, writer, host, port)
        else:
            await self._tunnel(reader, writer, host, port, head.replace(target.encode(), url.path.encode(), 1))


class Socks5Proxy(Proxy):
    """RFC 1928, with the login of RFC 1929."""

    scheme = "socks5"

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        offered = await reader.readexactly(count)
        method = 2 if self._login else 0
        if method not in offered:
            writer.write(b"\x05\xff")
            return
        writer.write(bytes([5, method]))
        if self._login:
            await reader.readexactly(1)
            given = [await reader.readexactly((await reader.readexactly(1))[0]) for _ in range(2)]
            right = given == [USER.encode(), PASSWORD.encode()]
            writer.write(b"\x01\x00" if right else b"\x01\x01")
            if not right:
                return
        *_, kind = await reader.readexactly(4)
        if kind == 1:
            host = ".".join(map(str, await reader.readexactly(4)))
        else:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.targets.append(f"{host}:{port}")
        writer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        await self._tunnel(reader, writer, host, port)


class Nonsense(Proxy):
    """Answers whatever it is asked with what is no answer of a proxy."""

    scheme = "socks5"

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(3)
        writer.write(b"\x00")


class Silence(Proxy):
    """Takes connections and never answers. `ended` counts those that the client has closed."""

    scheme = "socks5"

    def __init__(self) -> None:
        super().__init__()
        self.ended = 0

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        self.ended += 1


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
        writer.close()
