"""Runs a command that ends when its parent does: `tether.py PARENT_PID DEATH_SIGNAL UID GID COMMAND...`.

It is a process of its own because its steps between fork and exec are unsafe in a parent with threads. Its pid stays
the same through exec, so the parent's child is the command itself. UID -1 keeps the user. The tie works on Linux only
(PR_SET_PDEATHSIG): elsewhere the command survives a parent that is killed with SIGKILL. It uses the standard library
only, because it runs isolated from the virtual environment.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, death_signal, uid, gid = (int(argument) for argument in sys.argv[1:5])
    command = sys.argv[5:]
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After setuid, which clears it.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        # The parent died before the tie was made.
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - the parent chose the command; there is no shell


if __name__ == "__main__":
    main()
