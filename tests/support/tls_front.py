"""A front end with TLS before a server that has none: it asks for a client certificate and carries bytes."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Self

import trustme


class TlsFront:
    """Listens on a port of loopback and carries what comes to `target`. Its own certificate is by the first authority
    that it trusts."""

    def __init__(self, target: str, port: int, *trusted: trustme.CA) -> None:
        self.shown: list[str] = []
        """The common name of each certificate that a client has shown and that was accepted."""
        self._target = target.rpartition(":")
        self._port = port
        self._own = trusted[0].issue_cert("localhost")
        self._trusted = trusted
        self._carrying: dict[asyncio.Task[None], str] = {}

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._drop(set(self._carrying.values()))

    async def trust(self, *authorities: trustme.CA) -> None:
        """Accepts certificates by these authorities only, for new connections."""
        self._trusted = authorities
        self._server.close()
        await self._listen()

    async def end_connections_of(self, name: str) -> None:
        """Ends the connections whose client showed this name."""
        await self._drop({name})

    async def _listen(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._own.configure_cert(context)
        context.verify_mode = ssl.CERT_REQUIRED
        for authority in self._trusted:
            authority.configure_trust(context)
        context.set_alpn_protocols(["h2"])
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, ssl=context)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        certificate = writer.get_extra_info("peercert")
        name = dict(field[0] for field in certificate["subject"])["commonName"]
        self.shown.append(name)
        task = asyncio.current_task()
        assert task is not None
        self._carrying[task] = name
        with suppress(OSError, asyncio.CancelledError):
            await self._carry(reader, writer)
        writer.transport.abort()
        del self._carrying[task]

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self._target
        there, to_there = await asyncio.open_connection(host, int(port))
        copies = {asyncio.create_task(_copy(reader, to_there)), asyncio.create_task(_copy(there, writer))}
        try:
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for copy in copies:
                copy.cancel()
            to_there.transport.abort()

    async def _drop(self, names: set[str]) -> None:
        tasks = [task for task, name in self._carrying.items() if name in names]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


def write_client_certificate(authority: trustme.CA, name: str, certificate: Path, key: Path) -> None:
    """Writes a client's certificate with this common name, and its key, over what is in the files."""
    issued = authority.issue_cert(f"{name}@platform.example", common_name=name)
    certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
