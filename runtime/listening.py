"""Opens a socket that listens on an address of the settings."""

from __future__ import annotations

import re
import socket


class ListenError(Exception):
    """Nothing can listen on the address. The message names it and says why."""


_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")


def checked_address(value: str) -> str:
    """Returns the address unchanged. Raises ValueError unless it is `host:port`, with an IPv6 host in brackets."""
    host_and_port(value)
    return value


def host_and_port(address: str) -> tuple[str, int]:
    """Splits `host:port`. Raises ValueError that says how to write it."""
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match["port"]) > 65_535:
        raise ValueError("must be host:port, such as 0.0.0.0:8080 or [::]:8080; port 0 takes a free one")
    return match["host"].strip("[]"), int(match["port"])


def listen(address: str) -> socket.socket:
    """Listens on `host:port`; port 0 takes a free one. Raises `ListenError`."""
    host, port = host_and_port(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ListenError(f"cannot listen on {address}: {error.strerror or error}") from None
