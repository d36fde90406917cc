"""Programs of a checkout as child processes: start one, wait until it is ready, read its log, stop it."""

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from local.embedded.process import ChildProcess

CHECKOUT: Final = Path(__file__).resolve().parents[1]
START_SECONDS = 60.0
STOP_SECONDS = 60.0
"""More than the worker's graceful shutdown takes."""


class ProgramError(RuntimeError):
    """A program did not write what was waited for, or did not end well. The message shows the end of its log."""


class Program(ChildProcess):
    """`python ARGUMENTS` in a checkout, running from its construction to `stop` or the end of `async with`.

    It dies with this process, however that ends (Linux).
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        log_file: Path,
        environment: Mapping[str, str],
        death_signal: signal.Signals = signal.SIGKILL,
        checkout: Path = CHECKOUT,
    ) -> None:
        """Start the program. Its output is appended to `log_file`; `environment` is all that it gets, and
        `checkout` is the folder with the program."""
        self._name = f"python {' '.join(arguments[:2])}"
        super().__init__(
            [sys.executable, *arguments],
            log_file=log_file,
            death_signal=death_signal,
            environment=environment,
            folder=checkout,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def wait_for_line(self, *words: str, within: float = START_SECONDS) -> str:
        """The first whole line of its log that holds one of the words.

        Raises ProgramError if the program ends without it, or after `within` seconds.
        """

        async def written() -> bool:
            return self._line_with(words) is not None

        await self.becomes(written, within)
        # Its last words count too, if it ended meanwhile.
        line = self._line_with(words)
        if line is None:
            state = "did not write" if self.exit_code is None else f"ended with status {self.exit_code} without writing"
            raise ProgramError(f"{self._name} {state} {' or '.join(words)}:\n{self.log_tail()}")
        return line

    def _line_with(self, words: Sequence[str]) -> str | None:
        whole_lines = self.output().rpartition("\n")[0].split("\n")
        return next((line for line in whole_lines if any(word in line for word in words)), None)

    async def stop(self, signal_number: signal.Signals = signal.SIGTERM, within: float = STOP_SECONDS) -> int:
        """Stop the program by the signal, after `within` seconds by SIGKILL, and return its exit status.

        May be called twice. A negative status is the signal that ended it.
        """
        await self.end((signal_number, within))
        return await self.exit_status()

    async def exit_status(self, within: float = STOP_SECONDS) -> int:
        """The exit status of a program that ends by itself. Raises ProgramError after `within` seconds."""
        await self.wait(within)
        if self.exit_code is None:
            raise ProgramError(f"{self._name} still runs after {within:.0f} s:\n{self.log_tail()}")
        return self.exit_code

    def require_success(self) -> None:
        """Raises ProgramError unless the program has ended with status 0."""
        if self.exit_code != 0:
            raise ProgramError(f"{self._name} ended with status {self.exit_code}:\n{self.log_tail()}")


@dataclass(frozen=True)
class Ended:
    """What a program left."""

    status: int
    out: str
    err: str


async def run_to_end(
    arguments: Sequence[str], *, environment: Mapping[str, str], within: float = 120.0, checkout: Path = CHECKOUT
) -> Ended:
    """Run `python ARGUMENTS` in a checkout (default: this one), with nothing on its stdin, to its end.

    Kills it after `within` seconds and raises TimeoutError.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=checkout,
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(within):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    return Ended(await process.wait(), out.decode(), err.decode())
