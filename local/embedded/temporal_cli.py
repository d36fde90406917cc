"""The `temporal` executable, which holds the dev server: found, downloaded or built, in this order."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from local.embedded.getting import (
    Progress,
    WayFailed,
    cache_directory,
    empty,
    on_path,
    say_nothing,
    sdk_download,
    sole_getter,
)
from local.embedded.go import WAYS, Go
from local.embedded.process import EmbeddedServerError

_PACKAGE: Final = "github.com/temporalio/cli/cmd/temporal@v1.5.1"
# The first server with fairness keys and rate limits set through the API.
_OLDEST_SERVER: Final = (1, 29)


async def find_or_get_temporal(progress: Progress = say_nothing) -> Path:
    """The `temporal` executable: on PATH, in our cache, downloaded by the Temporal SDK, or built with Go.

    `progress` gets a sentence about each step that takes long. Many processes may call it at once: one gets the
    executable, the others wait. Cancelling it ends a download or build. Raises EmbeddedServerError if every way
    fails: the message says what was tried and what to do.
    """
    found = on_path("temporal")
    if found is not None:
        try:
            return await _checked(Path(found))
        except WayFailed as error:
            progress(f"Ignoring the temporal on PATH: {error}")
    cached = cache_directory() / "temporal"
    if cached.exists():
        return cached
    async with sole_getter(cached.with_name("temporal.lock"), "the Temporal server", progress):
        if not cached.exists():
            await _get(cached, progress)
    return cached


async def _get(cached: Path, progress: Progress) -> None:
    """Try every way and put the executable in its place. The caller holds the lock."""
    workshop = cached.with_name("temporal.unfinished")
    failures: list[str] = []
    for name, way in (
        ("download by the Temporal SDK", _download),
        *((f"build with {name}", _built_with(toolchain)) for name, toolchain in WAYS.items()),
    ):
        await asyncio.to_thread(empty, workshop)
        try:
            executable = await _checked(await way(workshop, progress))
        except WayFailed as error:
            failures.append(f"- {name}: {error}")
            progress(f"No Temporal server by {name}: {error}.")
            continue
        executable.replace(cached)
        await asyncio.to_thread(shutil.rmtree, workshop, True)
        progress(f"The Temporal server is ready in {cached}.")
        return
    raise EmbeddedServerError(
        "The embedded Temporal server needs the `temporal` command, and every way to get it failed:\n"
        + "\n".join(failures)
        + "\nInstall the Temporal CLI (https://docs.temporal.io/cli) on PATH, or set "
        "TEMPORAL_ADDRESS to a Temporal server of your own."
    )


async def _checked(executable: Path) -> Path:
    """Return the executable if it runs and its server is new enough. Else raises WayFailed."""
    try:
        output = await asyncio.to_thread(_version_output, executable)
    except (OSError, subprocess.SubprocessError) as error:
        raise WayFailed(f"{executable} does not run: {error}") from error
    version = re.search(r"Server (\d+)\.(\d+)", output)
    if version is None:
        raise WayFailed(f"{executable} does not tell its server version: {output!r}")
    if (int(version[1]), int(version[2])) < _OLDEST_SERVER:
        oldest = ".".join(map(str, _OLDEST_SERVER))
        raise WayFailed(f"the server of {executable} is {version[1]}.{version[2]}, older than {oldest}")
    return executable


def _version_output(executable: Path) -> str:
    return subprocess.check_output([str(executable), "--version"], text=True, timeout=30)  # noqa: S603 - found above


async def _download(workshop: Path, progress: Progress) -> Path:
    progress("Downloading the Temporal server with the Temporal SDK.")
    return await sdk_download("dev-server", workshop)


def _built_with(toolchain: Callable[[Path, Progress], Awaitable[Go]]) -> Callable[[Path, Progress], Awaitable[Path]]:
    async def build(workshop: Path, progress: Progress) -> Path:
        go = await toolchain(workshop, progress)
        progress(
            "Building the Temporal server with Go, once for this machine. It takes 3 to 4 minutes and 4 GB of disk; "
            "250 MB stay."
        )
        target = workshop / "bin"
        # Without symbols it is a third smaller.
        await go.run(["install", "-ldflags=-s -w", _PACKAGE], workshop, {"GOBIN": str(target)}, progress)
        return target / "temporal"

    return build
