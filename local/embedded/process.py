"""A child process that dies with this one, does not get the terminal's Ctrl-C and writes its output to a file."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TETHER = Path(__file__).with_name("tether.py")
_POLL_SECONDS = 0.02


class EmbeddedServerError(RuntimeError):
    """An embedded server is not available or does not run. The message says why and what to do."""


@dataclass(frozen=True)
class SystemUser:
    """The user that a server runs as, if it is not ours."""

    name: str
    uid: int
    gid: int


class ChildProcess:
    """A running command. Construct it in a thread that outlives it: Linux ends it with that thread.

    Whoever starts one ends it with `end` or `kill`, which also collect the process.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log_file: Path,
        death_signal: signal.Signals,
        environment: Mapping[str, str],
        folder: Path = Path("/"),
        user: SystemUser | None = None,
    ) -> None:
        """Start `command` (absolute path first) in `folder` and append its output to `log_file`.

        `death_signal` is what it gets when this process dies, however it dies (Linux).
        """
        self._log_file = log_file
        self._log_start = log_file.stat().st_size if log_file.exists() else 0
        tether = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid()), str(int(death_signal))]
        identity = [str(user.uid), str(user.gid)] if user else ["-1", "-1"]
        with log_file.open("ab") as log:
            self._popen = subprocess.Popen(  # noqa: S603 - the caller chose the command; there is no shell
                [*tether, *identity, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=dict(environment),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._popen.poll()

    def send(self, signal_number: signal.Signals) -> None:
        """Send it a signal. Does nothing if it has ended."""
        self._popen.send_signal(signal_number)

    async def wait(self, seconds: float) -> bool:
        """Wait until it has ended, for `seconds` at most. Returns whether it has."""
        deadline = time.monotonic() + seconds
        while self._popen.poll() is None:
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return True

    async def becomes(self, ready: Callable[[], Awaitable[bool]], within: float) -> bool:
        """Wait until `ready` returns True. Returns False if the process ends first or `within` seconds pass."""
        deadline = time.monotonic() + within
        while self.exit_code is None and time.monotonic() < deadline:
            if await ready():
                return True
            await asyncio.sleep(_POLL_SECONDS)
        return False

    def why_not_ready(self) -> str:
        """The rest of the sentence after `becomes` returned False, with the end of the log."""
        state = "is not ready in time" if self.exit_code is None else "ended while it started"
        return f"{state}:\n{self.log_tail()}"

    async def end(self, *steps: tuple[signal.Signals, float]) -> None:
        """Send each signal and wait its seconds until the process has ended. SIGKILL after the last."""
        try:
            for signal_number, seconds in steps:
                self.send(signal_number)
                if await self.wait(seconds):
                    return
        finally:
            # In `finally`, so that a cancelled caller leaves no process.
            self.kill()

    def kill(self) -> None:
        """Send SIGKILL to the process and its group, and collect it. Does nothing if it has ended."""
        if self._popen.poll() is None:
            # It leads its group, so the group exists as long as it has not been collected.
            os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()

    def output(self) -> str:
        """What this run has written to the log so far."""
        with self._log_file.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def log_tail(self, lines: int = 15) -> str:
        """The last lines that this run has written."""
        return "\n".join(self.output().splitlines()[-lines:]) or "(it wrote nothing)"
