"""Encodes the text of a header as encoded words (RFC 2047)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from string import ascii_letters, digits

LONGEST_WORD = 75
LONGEST_LINE = 76
"""Characters of a line with an encoded word (RFC 2047 2)."""

_PREFIX, _SUFFIX = "=?utf-8?{}?", "?="
_AROUND = len(_PREFIX.format("q") + _SUFFIX)
_QUOTED = {byte: f"={byte:02X}" for byte in range(256)}
_QUOTED |= {ord(character): character for character in ascii_letters + digits + "!*+-/"} | {ord(" "): "_"}
"""Besides letters and digits only what is allowed in a sender's name (RFC 2047 5)."""


def encoded_words(text: str, room: int) -> list[str]:
    """Returns the text as encoded words, for a line each. The first has `room` characters at most, each other one
    begins a line of its own. A lone surrogate becomes a question mark."""
    characters = [character.encode("utf-8", "replace") for character in text]
    raw = b"".join(characters)
    quoted = _as_quoted(raw)
    letter, encode, length = ("q", _as_quoted, _quoted_length)
    if _base64_length(raw) < len(quoted):
        letter, encode, length = ("b", _as_base64, _base64_length)
    return [_PREFIX.format(letter) + encode(part) + _SUFFIX for part in _parts(characters, room, length)]


def _parts(characters: list[bytes], room: int, length: Callable[[bytes], int]) -> list[bytes]:
    """Divides a text where a word is full. No character is divided (RFC 2047 5)."""
    parts: list[bytes] = []
    part = b""
    limit = min(room, LONGEST_WORD) - _AROUND
    for character in characters:
        if part and length(part + character) > limit:
            parts.append(part)
            part, limit = b"", LONGEST_WORD - _AROUND
        part += character
    return [*parts, part]


def _as_quoted(raw: bytes) -> str:
    return "".join(map(_QUOTED.__getitem__, raw))


def _quoted_length(raw: bytes) -> int:
    return sum(len(_QUOTED[byte]) for byte in raw)


def _as_base64(raw: bytes) -> str:
    return b64encode(raw).decode("ascii")


def _base64_length(raw: bytes) -> int:
    return (len(raw) + 2) // 3 * 4
