"""How the application's processes end: on a signal in good order, and without the interpreter's own exit.

A process that used the Temporal client now and then aborts in the interpreter's finalization, with all its work
done (sdk-python issue 300). So it flushes and leaves by `os._exit` with the status it means.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn


def leave(status: int) -> NoReturn:
    """Flushes and ends the process at once. Nothing registered with `atexit` runs."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            status = status or 1
    os._exit(status)


def run(main: Callable[[], Awaitable[int]]) -> NoReturn:
    """Runs `main` and leaves with the status it returns; 130 after Ctrl-C that it did not handle."""

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
