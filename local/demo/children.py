"""The demo's processes: the worker, the API and the stand-ins, each with a log of its own."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from local.embedded.process import ServerProcess

START_SECONDS = 60.0
STOP_SECONDS = 40.0
"""The worker lets what runs end, for 30 seconds at most."""


class ChildFailedError(RuntimeError):
    """A process of the demo ended or did not become ready. The message quotes the end of its log."""


class Child:
    """One process: running from `start` to `stop`. It dies with the demo, however that ends."""

    def __init__(self, name: str, arguments: Sequence[str], logs: Path, environment: Mapping[str, str]) -> None:
        self._name = name
        self._arguments = [sys.executable, *arguments]
        self._log = logs / f"{name}.log"
        self._environment = environment
        self._process: ServerProcess | None = None

    async def start(self, ready: Callable[[str], bool]) -> Self:
        """Starts it and waits until `ready` finds what it looks for in what the process has written to its log."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        seen = self._log.stat().st_size if self._log.exists() else 0
        self._process = ServerProcess(
            self._arguments, log_file=self._log, death_signal=signal.SIGTERM, environment=self._environment
        )
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while not ready(self._log.read_bytes()[seen:].decode(errors="replace")):
            if self._process.exit_code is not None or asyncio.get_running_loop().time() > deadline:
                raise ChildFailedError(f"The {self._name} did not start; {self._log} ends:\n{self._process.log_tail()}")
            await asyncio.sleep(0.05)
        return self

    @property
    def ended(self) -> str | None:
        """What to say if the process has ended by itself."""
        if self._process is None or self._process.exit_code is None:
            return None
        return f"The {self._name} ended with status {self._process.exit_code}; see {self._log}"

    async def stop(self) -> None:
        if self._process is not None:
            await self._process.end((signal.SIGTERM, STOP_SECONDS))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
