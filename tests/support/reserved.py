"""Ports of this machine that nobody else gets while they are ours."""

from __future__ import annotations

import random
import socket
from collections.abc import Sequence
from contextlib import suppress

HOST = "127.0.0.1"


class ReservedPort:
    """A free port, kept by a socket that is bound and never listens.

    Linux lets a server that sets SO_REUSEADDR listen on it, as Postfix and postgrey do, and gives it to nobody who
    asks for any port: not before the server's start, and not while it restarts.
    """

    def __init__(self, among: Sequence[int] = (0,)) -> None:
        """Takes any free port, or one of those given. Raises OSError if all of them are taken."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for port in random.sample(among, len(among)):
            with suppress(OSError):
                self._socket.bind((HOST, port))
                break
        else:
            self._socket.close()
            raise OSError(f"all of {len(among)} ports are taken")
        self.number: int = self._socket.getsockname()[1]

    def release(self) -> None:
        self._socket.close()
