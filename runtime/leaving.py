"""Ends the application's processes without the interpreter's own exit.

A process that used the Temporal client sometimes aborts while the interpreter shuts down, with all its work done
(sdk-python issue 300). So it flushes its output and leaves by `os._exit` with its status.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn


def leave(status: int) -> NoReturn:
    """Flushes the output and ends the process at once. Nothing registered with `atexit` runs."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            status = status or 1
    os._exit(status)


def run(main: Callable[[], Awaitable[int]]) -> NoReturn:
    """Runs `main` and ends the process with the status that it returns; 130 after Ctrl-C that it did not handle."""

    async def awaited() -> int:
        return await main()

    try:
        status = asyncio.run(awaited())
    except KeyboardInterrupt:
        status = 130
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else 1
    except BaseException:
        logging.getLogger(__name__).exception("process_failed")
        status = 1
    leave(status)
