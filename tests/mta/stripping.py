"""Who stands between the application and its mail server and wants to read along."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.support.reserved import HOST

OFFER = b"250-STARTTLS\r\n"
REQUEST = b"STARTTLS\r\n"


class Stripping:
    """Passes on what both say, but never lets TLS begin, until `give_way` is called.

    Without `answer` the server's offer of STARTTLS is left out; with one, the client that asks for it is answered so.
    """

    def __init__(self, server_port: int, answer: bytes | None = None) -> None:
        self._server_port = server_port
        self._answer = answer
        self._strips = True
        self._serving: asyncio.Server | None = None
        self._seen: list[bytes] = []

    @property
    def port(self) -> int:
        assert self._serving is not None
        port: int = self._serving.sockets[0].getsockname()[1]
        return port

    @property
    def seen(self) -> set[bytes]:
        """The first word of each line that the client wrote."""
        return {line.split(maxsplit=1)[0] for line in self._seen}

    def give_way(self) -> None:
        """The next connections are passed on untouched."""
        self._strips = False

    async def __aenter__(self) -> Self:
        self._serving = await asyncio.start_server(self._serve, HOST, 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._serving is not None:
            self._serving.close()
            await self._serving.wait_closed()

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(HOST, self._server_port)
        if self._strips:
            ways = self._pass_commands(from_client, to_client, to_server), self._pass_answers(from_server, to_client)
        else:
            ways = _pass_all(from_client, to_server), _pass_all(from_server, to_client)
        await asyncio.gather(*ways)

    async def _pass_commands(
        self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter, to_server: asyncio.StreamWriter
    ) -> None:
        with suppress(ConnectionError):
            async for line in from_client:
                self._seen.append(line)
                if self._answer is not None and line.upper() == REQUEST:
                    to_client.write(self._answer)
                else:
                    to_server.write(line)
        to_server.close()

    async def _pass_answers(self, from_server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            async for line in from_server:
                if self._answer is not None or line != OFFER:
                    to_client.write(line)
        to_client.close()


async def _pass_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while some := await reader.read(65536):
            writer.write(some)
    writer.close()
