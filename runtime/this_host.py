"""Names the host that a process runs on."""

from __future__ import annotations

import os
import socket


def this_host() -> str:
    """Returns the same name for every process here. Containers may share a host name, so it has the address too."""
    name = socket.gethostname()
    try:
        return f"{name}/{socket.gethostbyname(name)}"
    except OSError:
        return name


def this_process() -> str:
    """Returns the identity that Temporal shows: `pid@host`."""
    return f"{os.getpid()}@{this_host()}"
