"""Programs of this checkout as child processes, each known by the line or file that tells it is ready."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from local.embedded.process import ServerProcess

CHECKOUT = Path(__file__).parents[1]
START_SECONDS = 60.0
STOP_SECONDS = 60.0
"""More than a worker's graceful shutdown."""


class BenchError(Exception):
    """The benchmark has no result. The message says why."""


@asynccontextmanager
async def program(
    arguments: Sequence[str], log_file: Path, is_ready: Callable[[], bool], environment: Mapping[str, str]
) -> AsyncIterator[ServerProcess]:
    """Runs `python <arguments>` from its readiness to the end of the block; `environment` adds to ours.

    Raises `BenchError`, with the end of its log, if it is not ready in time or ends otherwise than well.
    """
    running = ServerProcess(
        [sys.executable, *arguments],
        log_file=log_file,
        death_signal=signal.SIGKILL,
        environment={**os.environ, "PYTHONPATH": str(CHECKOUT), **environment},
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            if running.exit_code is not None or time.monotonic() > deadline:
                raise BenchError(f"python {arguments[0]} did not start:\n{running.log_tail()}")
            await asyncio.sleep(0.05)
        yield running
    finally:
        await running.end((signal.SIGTERM, STOP_SECONDS))
    if running.exit_code != 0:
        raise BenchError(f"python {arguments[0]} ended with status {running.exit_code}:\n{running.log_tail()}")


def logged(log_file: Path, word: str) -> Callable[[], bool]:
    """Whether the log has `word` in it."""
    return lambda: log_file.exists() and word in log_file.read_text(encoding="utf-8", errors="replace")
