"""A server as a child process: tied to our life, out of reach of Ctrl-C, its output in a file."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TETHER = Path(__file__).with_name("tether.py")
_POLL_SECONDS = 0.02


class EmbeddedServerError(RuntimeError):
    """An embedded server cannot be had or does not run. The message says why and what to do."""


@dataclass(frozen=True)
class SystemUser:
    """The user a server runs as, when it is another one than ours."""

    name: str
    uid: int
    gid: int


class ServerProcess:
    """A running server. Made in a thread that lives as long as the server: Linux ends it with that thread.

    `kill` collects the process; whoever starts one ends it by `end` or `kill`.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log_file: Path,
        death_signal: signal.Signals,
        environment: Mapping[str, str],
        user: SystemUser | None = None,
    ) -> None:
        """Start `command` (absolute path first) and append its output to `log_file`.

        `death_signal` is what the server gets when this process dies, however it dies (Linux).
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
                cwd="/",
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
        """Signal the server; nothing happens if it has ended."""
        self._popen.send_signal(signal_number)

    async def wait(self, seconds: float) -> bool:
        """Whether the server has ended, at the latest after `seconds`."""
        deadline = time.monotonic() + seconds
        while self._popen.poll() is None:
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return True

    async def end(self, *steps: tuple[signal.Signals, float]) -> None:
        """Send each signal and wait its seconds until the server has ended; SIGKILL after the last."""
        try:
            for signal_number, seconds in steps:
                self.send(signal_number)
                if await self.wait(seconds):
                    return
        finally:
            # Also if we are cancelled meanwhile.
            self.kill()

    def kill(self) -> None:
        """SIGKILL to the process and its group, and collect it. Nothing happens if it has ended."""
        if self._popen.poll() is None:
            # It leads its group, so the group exists as long as it has not been collected.
            os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()

    def log_tail(self, lines: int = 15) -> str:
        """The last lines that this run of the server wrote."""
        with self._log_file.open("rb") as log:
            log.seek(self._log_start)
            text = log.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:]) or "(it wrote nothing)"
