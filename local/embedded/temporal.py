"""The embedded Temporal: `temporal server start-dev` as our own child, with its data in memory or a file."""

import asyncio
import json
import os
import random
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from local.embedded.getting import say_nothing
from local.embedded.process import ChildProcess, EmbeddedServerError
from local.embedded.temporal_cli import find_or_get_temporal
from local.running import Running

__all__ = ["FAIR_QUEUES", "EmbeddedTemporal", "find_or_get_temporal"]

FAIR_QUEUES: Final[Mapping[str, object]] = {
    "matching.useNewMatcher": True,
    "matching.enableFairness": True,
    "matching.numTaskqueueReadPartitions": 1,
    "matching.numTaskqueueWritePartitions": 1,
}
"""Settings that rate limits on task queues need. Every queue gets one partition here: unlike a production server's
configuration, the dev server's command line cannot name queues."""

_NAMESPACE = "default"
_HOST = "127.0.0.1"
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_START_ATTEMPTS = 3
# Below the range for outgoing connections, so that none of those takes the port of a stopped server.
_PORTS = range(15_000, 32_000)


class EmbeddedTemporal(Running):
    """A Temporal dev server with its Web UI, on free ports of the loopback interface.

    The caller makes sure that no two live instances share a database file.
    """

    def __init__(
        self,
        log_file: Path,
        *,
        database_file: Path | None = None,
        extra_namespaces: Sequence[str] = (),
        dynamic_config: Mapping[str, object] | None = None,
        search_attributes: Mapping[str, str] | None = None,
        progress: Callable[[str], None] = say_nothing,
    ) -> None:
        """Keep the state in `database_file` (SQLite), or in memory, and append warnings to `log_file`.

        `dynamic_config` are server settings by their Temporal names, with JSON values. They win over
        FAIR_QUEUES. `search_attributes` are registered in all namespaces: name and type, one of Text,
        Keyword, Int, Double, Bool, Datetime, KeywordList. `progress` gets a
        message when the server is downloaded or built.
        """
        self._log_file = log_file.absolute()
        self._database_file = database_file.absolute() if database_file else None
        self._namespaces = (_NAMESPACE, *extra_namespaces)
        self._dynamic_config = {**FAIR_QUEUES, **(dynamic_config or {})}
        self._search_attributes = dict(search_attributes or {})
        self._progress = progress
        self._process: ChildProcess | None = None
        self._ports: tuple[int, int] | None = None

    @property
    def address(self) -> str:
        """The front end's `host:port`. It stays the same when this instance restarts."""
        return f"{_HOST}:{self._started_ports()[0]}"

    @property
    def ui_url(self) -> str:
        return f"http://{_HOST}:{self._started_ports()[1]}"

    @property
    def namespace(self) -> str:
        return _NAMESPACE

    @property
    def pid(self) -> int | None:
        """The server's pid, or None if it does not run."""
        return self._process.pid if self._process and self._process.exit_code is None else None

    def _started_ports(self) -> tuple[int, int]:
        if self._ports is None:
            raise EmbeddedServerError("The embedded Temporal server has not been started.")
        return self._ports

    async def start(self) -> None:
        """Start the server and wait until it knows all its namespaces. A restart uses the same ports.

        The first start on a machine may take minutes (`find_or_get_temporal`). Raises EmbeddedServerError,
        with the end of the log if the server ended or is not ready in time.
        """
        if self.pid is not None:
            return
        executable = await find_or_get_temporal(self._progress)
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        chosen = self._ports
        for attempt in range(1, _START_ATTEMPTS + 1):
            self._ports = chosen or _free_ports()
            try:
                await self._start_on(executable, *self._ports)
            except BaseException as error:
                await self.kill()
                taken = isinstance(error, EmbeddedServerError) and "address already in use" in str(error)
                if chosen or not taken or attempt == _START_ATTEMPTS:
                    self._ports = chosen
                    raise
            else:
                return

    async def _start_on(self, executable: Path, port: int, ui_port: int) -> None:
        self._process = ChildProcess(
            [str(executable), *self._arguments(port, ui_port)],
            log_file=self._log_file,
            # SQLite survives SIGKILL, and the clients that a graceful stop would help have died with us.
            death_signal=signal.SIGKILL,
            environment=_environment(),
        )
        if not await self._process.becomes(self._answers, _START_SECONDS):
            raise EmbeddedServerError(f"The embedded Temporal server {self._process.why_not_ready()}")

    def _arguments(self, port: int, ui_port: int) -> list[str]:
        options = ["--ip", _HOST, "--port", str(port), "--ui-port", str(ui_port), "--log-level", "warn"]
        options += ["--disable-config-file", "--disable-config-env"]
        if self._database_file:
            options += ["--db-filename", str(self._database_file)]
        for name in self._namespaces:
            options += ["--namespace", name]
        for name, kind in self._search_attributes.items():
            options += ["--search-attribute", f"{name}={kind}"]
        for name, value in self._dynamic_config.items():
            options += ["--dynamic-config-value", f"{name}={json.dumps(value)}"]
        return ["server", "start-dev", *options]

    async def _answers(self) -> bool:
        try:
            # Checked first because the SDK retries rarely and logs each failure.
            _, writer = await asyncio.open_connection(_HOST, self._started_ports()[0])
            writer.close()
            await writer.wait_closed()
            client = await Client.connect(self.address, namespace=self.namespace)
            for name in self._namespaces:
                await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=name))
        except (OSError, RPCError, RuntimeError):
            return False
        return True

    async def stop(self) -> None:
        """Stop the server gracefully. Does nothing if it does not run."""
        if self._process is not None:
            await self._process.end((signal.SIGTERM, _STOP_SECONDS))
            self._process = None

    async def kill(self) -> None:
        """End the server with SIGKILL, like a crash. Does nothing if it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process = None


def _environment() -> dict[str, str]:
    """Our environment without the settings of Temporal's clients, which the command line would read too."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}


def _free_ports() -> tuple[int, int]:
    """Two free ports. Another process may still take them first."""
    found: list[int] = []
    for port in random.sample(_PORTS, k=len(_PORTS)):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
        found.append(port)
        if len(found) == 2:
            return found[0], found[1]
    raise EmbeddedServerError("No free port for the embedded Temporal server.")
