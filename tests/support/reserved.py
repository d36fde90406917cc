"""Ports of this machine that nobody else gets while they are ours."""

from __future__ import annotations

import socket

HOST = "127.0.0.1"


class ReservedPort:
    """A free port, kept by a socket that is bound and never listens.

    Linux lets a server that sets SO_REUSEADDR listen on it, as Postfix and postgrey do, and gives it to nobody who
    asks for any port: not before the server's start, and not while it restarts.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((HOST, 0))
        self.number: int = self._socket.getsockname()[1]

    def release(self) -> None:
        self._socket.close()
