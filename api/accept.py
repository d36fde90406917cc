"""Reads the header Accept (RFC 9110 12.5.1): whether the caller is a person with a browser, or a program."""

from __future__ import annotations

from starlette.requests import HTTPConnection

LONGEST_ACCEPT = 1000
"""Characters that are read. Browsers send about 150."""
_HTML = ("text/html", "text/*", "*/*")
_JSON = ("application/json", "application/*", "*/*")
_MOST = 1000
"""A quality of 1, in thousandths."""


def wants_page(connection: HTTPConnection) -> bool:
    """Whether the caller prefers HTML to JSON. Programs that accept anything, or say nothing, get JSON."""
    return prefers_html(",".join(connection.headers.getlist("Accept")))


def prefers_html(accept: str) -> bool:
    """Whether this value of Accept prefers HTML to JSON."""
    qualities = _qualities(accept[:LONGEST_ACCEPT])
    return _quality(qualities, _HTML) > _quality(qualities, _JSON)


def _quality(qualities: dict[str, int], from_most_specific: tuple[str, ...]) -> int:
    return next((qualities[name] for name in from_most_specific if name in qualities), 0)


def _qualities(accept: str) -> dict[str, int]:
    """Returns the quality of each media range, in thousandths. Ranges with parameters of their own, and a quality that
    is not one, are left out."""
    found: dict[str, int] = {}
    for part in accept.split(","):
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        quality = _MOST
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            known = _thousandths(value.strip()) if key.strip() == "q" else None
            if known is None:
                break
            quality = known
        else:
            found[name] = max(quality, found.get(name, 0))
    return found


def _thousandths(value: str) -> int | None:
    """Returns a quality such as `0.8` as 800. None: it has not the form of one."""
    whole, point, decimals = value.partition(".")
    if whole not in ("0", "1") or len(decimals) > 3 or not (decimals + "0").isdecimal() or not value.isascii():
        return None
    quality = int(whole) * _MOST + int(decimals.ljust(3, "0") if point else 0)
    return quality if quality <= _MOST else None
