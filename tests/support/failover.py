"""A second PostgreSQL that follows the first, and an address that leads to either: what a failover needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg

from local.embedded import postgres_install
from local.embedded.postgres import NOT_DURABLE, EmbeddedPostgres

_CHUNK = 65_536
_SSL_REQUEST = (80877103).to_bytes(4)


def socket_of(server: EmbeddedPostgres) -> str:
    """The folder of its Unix socket."""
    return server.database_url().partition("host=")[2].partition("&")[0].replace("%2F", "/")


class Switch:
    """Listens on a TCP port. A new connection goes to the server that is set then, and stays there."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server
        self.port = 0
        self.opened = 0
        self.startup: list[dict[str, str]] = []
        """What each client asked for when it connected."""

    def url(self, database: str) -> str:
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/{database}"

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Switch]:
        pumps: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.opened += 1
            there = await asyncio.open_unix_connection(f"{socket_of(self.server)}/.s.PGSQL.5432")
            there[1].write(await self._read_startup(reader, writer))
            both = [asyncio.create_task(_pump(reader, there[1])), asyncio.create_task(_pump(there[0], writer))]
            pumps.update(both)
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for each in (writer, there[1]):
                each.close()

        listener = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.port = listener.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            listener.close()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _read_startup(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """Reads the first message and notes its parameters (https://www.postgresql.org/docs/current/protocol-flow.html)."""
        while True:
            size = await reader.readexactly(4)
            message = await reader.readexactly(int.from_bytes(size) - 4)
            if message != _SSL_REQUEST:
                words = message[4:].rstrip(b"\0").decode().split("\0")
                self.startup.append(dict(zip(words[::2], words[1::2], strict=True)))
                return size + message
            writer.write(b"N")


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def standby_of(primary: EmbeddedPostgres, directory: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A hot standby: it has all that the primary has, and only reads until `fail_over`."""
    programs = postgres_install.find_programs()
    directory.parent.mkdir(parents=True, exist_ok=True)
    source = ["--host", socket_of(primary), "--port", "5432", "--username", "postgres"]
    copying = await asyncio.create_subprocess_exec(
        programs / "pg_basebackup", *source, "--pgdata", directory, "--checkpoint", "fast", "--no-sync"
    )
    assert await copying.wait() == 0
    (directory / ".s.PGSQL.5432.lock").unlink()  # the primary's
    (directory / "standby.signal").touch()
    follows = {"primary_conninfo": f"host={socket_of(primary)} port=5432 user=postgres"}
    async with EmbeddedPostgres(directory, settings={**NOT_DURABLE, **follows}) as standby:
        yield standby


async def fail_over(switch: Switch, standby: EmbeddedPostgres) -> None:
    """The old primary only reads from now on, in open sessions too. The standby has caught up, writes, and is where
    new connections go."""
    old = await _connect(switch.server)
    await old.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    await old.execute("SELECT pg_reload_conf()")
    new = await _connect(standby)
    # A statement that began to write before the reload may still end.
    while await old.fetchval("SELECT count(*) FROM pg_stat_activity WHERE backend_xid IS NOT NULL"):
        await asyncio.sleep(0.02)
    end = await old.fetchval("SELECT pg_current_wal_insert_lsn()::text")
    while not await new.fetchval("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", end):
        await asyncio.sleep(0.02)
    await new.execute("SELECT pg_promote()")
    await old.close()
    await new.close()
    switch.server = standby


async def _connect(server: EmbeddedPostgres) -> asyncpg.Connection[Any]:
    return await asyncpg.connect(server.database_url().replace("+asyncpg", "", 1))
