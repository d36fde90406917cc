"""`python -m tests.sms_channel PROGRAM [ARGUMENT...]`: one of the application's programs, with the channel.

`PROGRAM` is a file such as `worker.py`, or a package such as `api`.
"""

from __future__ import annotations

import runpy
import sys

import tests.sms_channel.registered  # noqa: F401 - registers the channel

program, *arguments = sys.argv[1:]
sys.argv = [program, *arguments]
if program.endswith(".py"):
    runpy.run_path(program, run_name="__main__")
else:
    runpy.run_module(program, run_name="__main__", alter_sys=True)
