"""A worker whose event loop SIGUSR1 hangs and SIGUSR2 frees: `python -m tests.support.hanging_worker`.

The main thread sleeps in between, as in a call that blocks. Other threads run on.
"""

from __future__ import annotations

import signal
import time

import worker
from runtime import leaving

_hangs = False


def _hang(_number: int, _frame: object) -> None:
    global _hangs  # noqa: PLW0603 - two signal handlers have nothing else in common
    _hangs = True
    while _hangs:
        time.sleep(0.02)


def _free(_number: int, _frame: object) -> None:
    global _hangs  # noqa: PLW0603 - likewise
    _hangs = False


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _hang)
    signal.signal(signal.SIGUSR2, _free)
    leaving.run(worker.main)
