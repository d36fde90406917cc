"""Gets a server's programs onto this machine, once for all checkouts: what the ways to get them share."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from local.embedded.locks import ProcessLock
from local.embedded.process import ChildProcess

Progress = Callable[[str], None]

_DOWNLOAD_SILENCE_SECONDS = 30.0
_DOWNLOAD_SECONDS = 600.0
_RUN_SECONDS = 1800.0
_PROGRESS_SECONDS = 30.0


class WayFailed(Exception):
    """One way to get a program does not work here. The message says why."""


def say_nothing(_message: str) -> None:
    """Ignore progress messages."""


def on_path(name: str) -> str | None:
    """The absolute path of a command on PATH, or None."""
    found = shutil.which(name)
    return str(Path(found).absolute()) if found else None  # not resolved: a link must keep its name


def cache_directory() -> Path:
    """The folder for what all checkouts share. It may be deleted at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache").absolute() / "expiry-notifier"


def _home() -> Path:
    """The user's home, or, for a user who has none, a folder of their own for temporary files."""
    try:
        return Path.home()
    except (KeyError, RuntimeError):
        return Path(tempfile.gettempdir()) / f"uid-{os.getuid()}"


@asynccontextmanager
async def sole_getter(lock_file: Path, what: str, progress: Progress) -> AsyncIterator[None]:
    """Let one process at a time into the block. The others wait."""
    lock = ProcessLock(lock_file)
    waiting = False
    while not lock.try_acquire():
        if not waiting:
            progress(f"Waiting for process {lock.holder()}, which is getting {what}.")
            waiting = True
        await asyncio.sleep(0.2)
    try:
        yield
    finally:
        lock.release()


def empty(folder: Path) -> None:
    """Make the folder, or remove what is in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


async def sdk_download(server: Literal["dev-server", "test-server"], workshop: Path) -> Path:
    """Download the executable with the Temporal SDK. Raises WayFailed."""
    folder = workshop / "download"
    folder.mkdir()
    script = Path(__file__).with_name("sdk_download.py")

    def check(waited: float) -> None:
        allowed = _DOWNLOAD_SECONDS if any(folder.iterdir()) else _DOWNLOAD_SILENCE_SECONDS
        if waited > allowed:
            raise WayFailed(f"nothing arrived within {waited:.0f} s")

    await _run([sys.executable, str(script), server, str(folder)], workshop, {}, 0.5, check)
    downloaded = [path for path in folder.iterdir() if os.access(path, os.X_OK)]
    if not downloaded:
        raise WayFailed("the SDK left no executable")
    return downloaded[0]


async def run(command: Sequence[str], workshop: Path, environment: Mapping[str, str], progress: Progress) -> None:
    """Run a command to its end and report every half minute that it still runs. Raises WayFailed."""

    def check(waited: float) -> None:
        if waited > _RUN_SECONDS:
            raise WayFailed(f"not done after {waited / 60:.0f} minutes")
        progress(f"Still running after {waited:.0f} s.")

    await _run(command, workshop, environment, _PROGRESS_SECONDS, check)


async def _run(
    command: Sequence[str],
    workshop: Path,
    environment: Mapping[str, str],
    check_seconds: float,
    check: Callable[[float], None],
) -> None:
    """Run a command to its end. `check` gets the seconds it has run so far, and may raise WayFailed to end it."""
    process = ChildProcess(
        command,
        log_file=workshop / "log",
        death_signal=signal.SIGKILL,
        environment={**os.environ, **environment},
    )
    started = time.monotonic()
    try:
        while not await process.wait(check_seconds):
            check(time.monotonic() - started)
    finally:
        process.kill()
    if process.exit_code != 0:
        raise WayFailed(process.log_tail(1).strip())
