"""Recognises settings that are only right on one machine or in an example."""

from __future__ import annotations

from ipaddress import ip_address

SHORTEST_SECRET = 32
"""Characters: 128 bits in hexadecimal."""
FEWEST_CHARACTERS = 8
"""Different characters in a secret. Of 32 random hexadecimal digits, fewer are a chance of one in 28 million."""
PLACEHOLDER = "change-me"
"""What `.env.example` has where only the operator knows the value."""

_EXAMPLES = ("example.com", "example.net", "example.org")


def is_loopback(host: str | None) -> bool:
    """Whether what is sent to the host stays on this machine."""
    name = (host or "").removeprefix("[").removesuffix("]")
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def is_example(domain: str) -> bool:
    """Whether the domain is reserved for documentation (RFC 2606), so that it belongs to nobody."""
    name = domain.lower().removesuffix(".")
    return name in _EXAMPLES or name.endswith(tuple(f".{example}" for example in _EXAMPLES))


def require_no_placeholder(name: str, value: str) -> None:
    """Raises ValueError if the setting still has the placeholder of `.env.example`."""
    if PLACEHOLDER in value.lower():
        raise ValueError(f"{name}: contains the placeholder {PLACEHOLDER}: write your own")


def require_strength(name: str, secret: str) -> None:
    """Raises ValueError, which does not quote it, if the secret is easy to guess."""
    if len(secret) < SHORTEST_SECRET or len(set(secret)) < FEWEST_CHARACTERS:
        raise ValueError(
            f"{name}: easy to guess: use at least {SHORTEST_SECRET} random characters, from: "
            "python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
