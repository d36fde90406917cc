"""Checks the URL of a proxy."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

SCHEMES = ("http", "https", "socks5", "socks5h")
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|[0-9a-f:.]+")


def require_proxy_url(name: str, value: str) -> None:
    """Raises ValueError if this is not the URL of a proxy. The error does not quote it, because it may hold a
    password."""
    wrong = ValueError(f"{name}: must be the URL of a proxy, such as socks5://user:password@host:1080; {_ALLOWED}")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise wrong
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError:
        raise wrong from None
    if url.scheme not in SCHEMES or not url.hostname or not _HOST.fullmatch(url.hostname) or port == 0:
        raise wrong
    if url.path not in ("", "/") or url.query or url.fragment:
        raise wrong


_ALLOWED = f"it begins with one of {', '.join(f'{scheme}://' for scheme in SCHEMES)}"
