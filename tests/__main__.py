"""Runs pytest as `python -m tests [arguments]`: in a temporary folder of its own, and leaving by `runtime.leaving`.

The interpreter's own exit sometimes aborts in a process that used the Temporal client, after all has passed.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile

import pytest

from runtime import leaving


def main() -> int:
    # A shell starts what it puts in the background with Ctrl-C ignored, and the programs under test would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = tempfile.mkdtemp(prefix="expiry-tests-")
    os.environ["TMPDIR"] = folder
    tempfile.tempdir = folder
    try:
        return int(pytest.main([f"--basetemp={folder}/pytest", *sys.argv[1:]]))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    leaving.leave(main())
