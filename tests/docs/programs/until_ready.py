"""Runs a program that stays until it is ready, then stops it: `python until_ready.py WORDS ARGUMENTS...`.

A page says `python worker.py`, and a person leaves it running. Exits as the program does after SIGTERM, and with 1 if
it ends before it has written WORDS.
"""

from __future__ import annotations

import signal
import subprocess
import sys


def main() -> int:
    words, *arguments = sys.argv[1:]
    with subprocess.Popen(  # noqa: S603 - the program that a page names
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as program:
        assert program.stdout is not None
        ready = False
        for line in program.stdout:
            sys.stderr.write(line)
            if not ready and words in line:
                ready = True
                program.send_signal(signal.SIGTERM)
    return program.returncode if ready else program.returncode or 1


if __name__ == "__main__":
    sys.exit(main())
