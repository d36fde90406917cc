"""Dumps of our database by PostgreSQL's own programs, and what is in a database: its revision and rows by table."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from sqlalchemy import URL

_OURS = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
_ERROR_LINES = 3


class BackupError(Exception):
    """The backup cannot be made, verified or restored. The message says why in one line."""


@dataclass(frozen=True)
class Contents:
    """What a database holds at one moment."""

    revision: str | None
    rows: Mapping[str, int]


@dataclass(frozen=True)
class Programs:
    """Where `pg_dump` and `pg_restore` are: in a folder, or on PATH."""

    folder: Path | None = None

    def find(self, name: str) -> str:
        """The absolute path. Raises `BackupError`."""
        found = shutil.which(name, path=str(self.folder) if self.folder else None)
        if found is None:
            where = f"in {self.folder}" if self.folder else "on PATH"
            raise BackupError(f"{name} is not {where}: install PostgreSQL's client programs, of the server's version")
        return found

    async def run(self, name: str, database: URL, *arguments: str) -> None:
        """Runs the program on the database. The password is in its environment, not in the list of processes. Raises
        `BackupError` with the program's last words."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        if database.password is not None:
            environment["PGPASSWORD"] = database.password
        process = await asyncio.create_subprocess_exec(
            self.find(name),
            "--no-password",
            "--dbname",
            _for_libpq(database).render_as_string(hide_password=False),
            *arguments,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            _, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode != 0:
            words = " ".join(err.decode(errors="replace").split("\n")[:_ERROR_LINES]).strip()
            raise BackupError(f"{name} ended with status {process.returncode}: {words}")


def _for_libpq(url: URL) -> URL:
    """The URL as PostgreSQL's programs read it, without the password."""
    query = {"sslmode" if key == "ssl" else key: value for key, value in url.query.items()}
    return URL.create("postgresql", url.username, None, url.host, url.port, url.database, query)


def asyncpg_url(url: URL) -> str:
    """The URL as asyncpg's own parser reads it, with the password."""
    return _for_libpq(url).set(password=url.password).render_as_string(hide_password=False)


@asynccontextmanager
async def connected(url: URL) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection for the block. Raises `BackupError` for whatever PostgreSQL refuses in it."""
    try:
        connection = await asyncpg.connect(asyncpg_url(url), timeout=30)
        try:
            yield connection
        finally:
            await connection.close()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise BackupError(f"PostgreSQL: {' '.join(str(error).split()) or type(error).__name__}") from None


async def contents(connection: asyncpg.Connection[asyncpg.Record]) -> Contents:
    """The revision and the rows of every table, as the connection's transaction sees them."""
    tables = [row["tablename"] for row in await connection.fetch(_OURS)]
    # The names come from PostgreSQL itself.
    rows = {table: await connection.fetchval(f'SELECT count(*) FROM public."{table}"') for table in tables}  # noqa: S608
    revision = None
    if "alembic_version" in tables:
        revision = await connection.fetchval("SELECT version_num FROM alembic_version")
    return Contents(revision, rows)


async def dump(url: URL, file: Path, programs: Programs) -> Contents:
    """Writes the database to the file, and returns what it holds: both from one snapshot, while others write on."""
    async with connected(url) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
        await programs.run("pg_dump", url, "--format", "custom", "--snapshot", snapshot, "--file", str(file))
        return await contents(connection)


async def restore(file: Path, url: URL, programs: Programs, *, foreign: bool = False) -> None:
    """Restores the dump into the database, which must have no table, in one transaction. With `foreign`, whoever
    restores owns everything, and no other role has rights."""
    async with connected(url) as connection:
        if found := await connection.fetch(_OURS):
            raise BackupError(f"{url.database} has {len(found)} tables: restore into an empty database")
    options = ["--no-owner", "--no-privileges"] if foreign else ["--no-owner"]
    await programs.run("pg_restore", url, "--single-transaction", "--exit-on-error", *options, str(file))


@asynccontextmanager
async def scratch_database(server: URL, name: str) -> AsyncIterator[URL]:
    """An empty database on the server for the block; `server` leads to any other database of it."""
    async with connected(server) as connection:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    try:
        yield server.set(database=name)
    finally:
        async with connected(server) as connection:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
