"""Temporal's time-skipping test server: found, downloaded or taken from Maven, and run for one test.

It skips the time in which a workflow only waits, so that days pass in seconds. It is a Java program without Schedules,
lists of workflows and limits on task queues.
"""

import asyncio
import shlex
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

from temporalio.converter import DataConverter
from temporalio.testing import WorkflowEnvironment

from local.embedded.getting import (
    Progress,
    WayFailed,
    cache_directory,
    empty,
    on_path,
    run,
    say_nothing,
    sdk_download,
    sole_getter,
)
from local.embedded.process import EmbeddedServerError

_VERSION: Final = "1.38.0"
_MAIN_CLASS: Final = "io.temporal.testserver.TestServer"
_START_SECONDS = 60.0
# No repository here: Maven uses its own, or the one that the user's settings name.
_POM: Final = f"""<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>expiry-notifier</groupId>
  <artifactId>test-server</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>io.temporal</groupId>
      <artifactId>temporal-test-server</artifactId>
      <version>{_VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""


async def find_or_get_test_server(progress: Progress = say_nothing) -> list[str]:
    """The command that runs the test server: from our cache, else downloaded by the Temporal SDK, else by Maven.

    Many processes may call it at once: one gets it, the others wait. Raises EmbeddedServerError if every way fails:
    the message says what was tried and what to do.
    """
    cache = cache_directory()
    executable, jars = cache / "temporal-test-server", cache / f"temporal-test-server-{_VERSION}"
    if (command := _cached(executable, jars)) is not None:
        return command
    async with sole_getter(cache / "temporal-test-server.lock", "the Temporal test server", progress):
        return _cached(executable, jars) or await _get(executable, jars, progress)


def _cached(executable: Path, jars: Path) -> list[str] | None:
    if executable.exists():
        return [str(executable)]
    java = on_path("java")
    return _with_java(java, jars) if java is not None and jars.exists() else None


def _with_java(java: str, jars: Path) -> list[str]:
    return [java, "-cp", f"{jars}/*", _MAIN_CLASS]


async def _get(executable: Path, jars: Path, progress: Progress) -> list[str]:
    """Try both ways and put the result in its place. The caller holds the lock."""
    workshop = executable.with_name("temporal-test-server.unfinished")
    failures: list[str] = []
    try:
        await asyncio.to_thread(empty, workshop)
        progress("Downloading the Temporal test server with the Temporal SDK.")
        try:
            (await sdk_download("test-server", workshop)).replace(executable)
            return [str(executable)]
        except WayFailed as error:
            failures.append(f"- download by the Temporal SDK: {error}")
        await asyncio.to_thread(empty, workshop)
        try:
            java, downloaded = await _with_maven(workshop, progress)
            downloaded.replace(jars)
            return _with_java(java, jars)
        except WayFailed as error:
            failures.append(f"- Maven: {error}")
    finally:
        await asyncio.to_thread(shutil.rmtree, workshop, True)
    raise EmbeddedServerError(
        "The tests that skip time need Temporal's test server, and every way to get it failed:\n"
        + "\n".join(failures)
        + "\nInstall Java and Maven (on Debian and Ubuntu: apt-get install maven), or give this "
        "machine access to the Temporal SDK's download."
    )


async def _with_maven(workshop: Path, progress: Progress) -> tuple[str, Path]:
    maven, java = on_path("mvn"), on_path("java")
    if maven is None or java is None:
        raise WayFailed(f"there is no {'java' if java is None else 'mvn'} on PATH")
    progress("Getting the Temporal test server with Maven (50 MB).")
    (workshop / "pom.xml").write_text(_POM, encoding="utf-8")
    jars = workshop / "jars"
    command = [maven, "--batch-mode", "--quiet", f"--file={workshop}/pom.xml", "dependency:copy-dependencies"]
    await run([*command, "-DincludeScope=runtime", f"-DoutputDirectory={jars}"], workshop, {}, progress)
    return java, jars


@asynccontextmanager
async def time_skipping(
    command: Sequence[str], folder: Path, data_converter: DataConverter
) -> AsyncIterator[WorkflowEnvironment]:
    """Runs a test server for the block. It starts at the real time, and dies with this process.

    `command` comes from `find_or_get_test_server`. `folder` gets the server's log.
    """
    # The SDK starts an executable, so this script ties the server to our process.
    script = folder / "test-server"
    tether = [sys.executable, "-I", "-S", str(Path(__file__).with_name("tether.py"))]
    script.write_text(
        f'#!/bin/sh\nexec {shlex.join(tether)} "$PPID" 9 -1 -1 {shlex.join(command)} "$@" '
        f">>{shlex.quote(str(folder / 'test-server.log'))} 2>&1\n",
        encoding="utf-8",
    )
    script.chmod(0o700)
    environment = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(script),
        test_server_startup_timeout=timedelta(seconds=_START_SECONDS),
        data_converter=data_converter,
    )
    try:
        yield environment
    finally:
        await environment.shutdown()
