"""Checks the name that a client gives itself in SMTP (RFC 5321 4.1.1.1, 4.1.3)."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

import idna

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
_LONGEST_NAME = 253


def checked_ehlo_name(value: str) -> str:
    """Returns the name in ASCII. Raises ValueError if it is neither a full host name nor an address in brackets."""
    if value.startswith("["):
        return _checked_literal(value)
    try:
        address = ip_address(value)
    except ValueError:
        return _checked_name(value)
    raise ValueError(f"an address must be in brackets: write {_literal(address)}")


def _checked_literal(value: str) -> str:
    inside = value.removeprefix("[").removesuffix("]")
    tag, _, six = inside.partition(":")
    try:
        address = IPv6Address(six) if tag.lower() == "ipv6" else IPv4Address(inside)
    except ValueError:
        address = None
    if address is None or not value.endswith("]") or "%" in value:
        raise ValueError(f"{value!r} is not an address literal such as [192.0.2.1] or [IPv6:2001:db8::1]")
    return _literal(address)


def _literal(address: IPv4Address | IPv6Address) -> str:
    return f"[IPv6:{address}]" if isinstance(address, IPv6Address) else f"[{address}]"


def _checked_name(value: str) -> str:
    name = value
    if not value.isascii():
        try:
            name = idna.encode(value, uts46=True).decode("ascii")
        except idna.IDNAError:
            name = ""
    labels = name.split(".")
    if len(name) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdecimal():
        raise ValueError(f"{value!r} is not a host name")
    if len(labels) < 2:
        raise ValueError(f"{value!r} has no domain: write the full name, such as mail.your-domain")
    return name
