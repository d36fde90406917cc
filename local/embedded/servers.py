"""The embedded PostgreSQL and Temporal together. `endpoints.json` and `servers.env` say how to reach them."""

import asyncio
import contextlib
import json
import shlex
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from local.embedded.getting import say_nothing
from local.embedded.locks import ProcessLock
from local.embedded.postgres import EmbeddedPostgres
from local.embedded.process import EmbeddedServerError
from local.embedded.temporal import EmbeddedTemporal
from local.running import Running


class EmbeddedServers(Running):
    """Both servers, with their data, their logs, `endpoints.json` and `servers.env` in one directory."""

    def __init__(
        self,
        state: Path,
        *,
        postgres_settings: Mapping[str, str] | None = None,
        dynamic_config: Mapping[str, object] | None = None,
        search_attributes: Mapping[str, str] | None = None,
        progress: Callable[[str], None] = say_nothing,
    ) -> None:
        """Keep everything in the directory `state`, which the start creates. Both classes explain the settings."""
        self._state = state.absolute()
        self._lock = ProcessLock(self._state / "servers.lock")
        self._endpoints_file = self._state / "endpoints.json"
        self._variables_file = self._state / "servers.env"
        self.postgres = EmbeddedPostgres(self._state / "postgres", settings=postgres_settings)
        self.temporal = EmbeddedTemporal(
            self._state / "temporal.log",
            database_file=self._state / "temporal.db",
            dynamic_config=dynamic_config,
            search_attributes=search_attributes,
            progress=progress,
        )

    def endpoints(self) -> dict[str, str]:
        """How to reach the servers: the content of `endpoints.json`. Raises EmbeddedServerError before the start."""
        return {
            "database_url": self.postgres.database_url(),
            "temporal_address": self.temporal.address,
            "temporal_namespace": self.temporal.namespace,
            "temporal_ui_url": self.temporal.ui_url,
        }

    async def start(self) -> None:
        """Start both servers, then write `servers.env`, which a shell reads, and `endpoints.json`. Once that file is
        there, clients can connect.

        Raises EmbeddedServerError if another instance uses the directory or a server does not start. In both cases
        this leaves no server running.
        """
        self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._lock.try_acquire():
            holder = self._lock.holder()
            raise EmbeddedServerError(f"Servers run on {self._state} already: process {holder}.")
        try:
            # A killed run may have left the file.
            self._remove_files()
            async with asyncio.TaskGroup() as starts:
                starts.create_task(self.postgres.start())
                starts.create_task(self.temporal.start())
            self._write_endpoints()
        except BaseException as error:
            await self.stop()
            if isinstance(error, BaseExceptionGroup):
                raise error.exceptions[0] from None
            raise

    def _write_endpoints(self) -> None:
        lines = [f"{name.upper()}={shlex.quote(value)}\n" for name, value in self.endpoints().items()]
        self._variables_file.write_text("".join(lines))
        unfinished = self._endpoints_file.with_suffix(".tmp")
        unfinished.write_text(json.dumps(self.endpoints(), indent=2) + "\n")
        unfinished.replace(self._endpoints_file)

    def _remove_files(self) -> None:
        self._endpoints_file.unlink(missing_ok=True)
        self._variables_file.unlink(missing_ok=True)

    async def stop(self) -> None:
        """Remove both files, then stop Temporal, then PostgreSQL. Does nothing if they do not run."""
        if not self._lock.held:
            return
        self._remove_files()
        try:
            await self.temporal.stop()
        finally:
            await self.postgres.stop()
            self._lock.release()

    async def first_to_end(self) -> str:
        """Wait until one of the servers ends by itself, and return its name."""
        while True:
            for name, server in (("PostgreSQL", self.postgres), ("Temporal", self.temporal)):
                if server.pid is None:
                    return name
            await asyncio.sleep(0.5)


async def run_until_stopped(state: Path, *, progress: Callable[[str], None] = say_nothing) -> None:
    """Run the servers of `state` until SIGTERM or SIGINT. Call it in the main thread.

    Raises EmbeddedServerError if they do not start or one of them ends by itself.
    """
    loop = asyncio.get_running_loop()
    stop_requested = asyncio.Event()
    signals = (signal.SIGTERM, signal.SIGINT)
    for signal_number in signals:
        loop.add_signal_handler(signal_number, stop_requested.set)
    serving = asyncio.create_task(_serve(state, progress))
    waiting = asyncio.create_task(stop_requested.wait())
    try:
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        serving.cancel()
        # The handlers stay until now, so that a second signal does not interrupt the stop.
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        for signal_number in signals:
            loop.remove_signal_handler(signal_number)


async def _serve(state: Path, progress: Callable[[str], None]) -> None:
    async with EmbeddedServers(state, progress=progress) as servers:
        progress(f"PostgreSQL and Temporal are running. Their addresses are in {state / 'endpoints.json'}.")
        ended = await servers.first_to_end()
        raise EmbeddedServerError(f"The embedded {ended} ended by itself: see its log in {state}.")
