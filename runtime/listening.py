"""Opens a socket that listens on an address of the settings."""

from __future__ import annotations

import socket
import string
from ipaddress import IPv6Address


class ListenError(Exception):
    """Nothing can listen on the address. The message names it and says why."""


_HOST_CHARACTERS = frozenset(string.ascii_letters + string.digits + "._-")
_LAST_PORT = 65_535


def checked_address(value: str) -> str:
    """Returns the address unchanged. Raises ValueError unless it is `host:port`, with an IPv6 host in brackets."""
    host_and_port(value)
    return value


def host_and_port(address: str) -> tuple[str, int]:
    """Splits `host:port`. Raises ValueError that says how to write it."""
    wrong = ValueError("must be host:port, such as 0.0.0.0:8080 or [::]:8080; port 0 takes a free one")
    host, _, port = address.rpartition(":")
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) <= _LAST_PORT):
        raise wrong
    if host.startswith("[") and host.endswith("]"):
        try:
            return str(IPv6Address(host[1:-1])), int(port)
        except ValueError:
            raise wrong from None
    if not host or not _HOST_CHARACTERS.issuperset(host):
        raise wrong
    return host, int(port)


def listen(address: str) -> socket.socket:
    """Listens on `host:port`; port 0 takes a free one. Raises `ListenError`."""
    host, port = host_and_port(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ListenError(f"cannot listen on {address}: {error.strerror or error}") from None
