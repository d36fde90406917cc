"""Commands that end with the tests, however those end, and with all their children."""

from __future__ import annotations

_SHELL = '"$@" & trap "kill -KILL 0" TERM; wait'


def guarded(*command: str) -> list[str]:
    """The command under a shell that leads its process group, and kills the group on SIGTERM.

    Linux forgets the signal that a process is to get at its parent's death once the process changes its user, as
    Postfix and postgrey do. The shell does not change its own.
    """
    return ["/bin/sh", "-c", _SHELL, "sh", *command]
