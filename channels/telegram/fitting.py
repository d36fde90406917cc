"""Cuts a text in Telegram's HTML to the longest that Telegram takes.

https://core.telegram.org/bots/api#sendmessage: 4,096 characters after entity parsing. It does not say how characters
are counted. We count UTF-16 code units, as its offsets do: no other way of counting gives more.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

LIMIT = 4096
"""UTF-16 code units."""
ELLIPSIS = "…"

_TOKEN = re.compile(
    r"""
    <(?P<end>/?)(?P<tag>[a-z][a-z0-9-]*)(?![a-z0-9-])(?:"[^"<]*"|'[^'<]*'|[^<>"'])*>
    | &(?:(?:lt|gt|amp|quot);?|\#(?:[0-9]{1,7}|x[0-9a-f]{1,6});?)
    | .
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
"""Linear: no attempt at a tag reads beyond the next `<`."""
_BREAKS = ("\n\n", "\n", " ")
"""Where a text is cut: between paragraphs, else lines, else words, if more than half of what fits remains."""


@dataclass(frozen=True)
class _Place:
    """A place after a character where the message can be cut, with the tags that are open there."""

    source: int
    text: int
    """Characters before the place."""
    units: int
    open_tags: tuple[str, ...]


def fits(message: str, limit: int = LIMIT) -> bool:
    """Whether Telegram takes the message."""
    return _units(message) <= limit or length(message) <= limit


def length(message: str) -> int:
    """Returns the length that Telegram limits: UTF-16 code units, without tags and with entities decoded."""
    return sum(_units(text) for _, text in _tokens(message))


def cut(message: str, limit: int = LIMIT) -> str:
    """Returns the message, or as much of its beginning as fits, with an ellipsis and every open tag closed."""
    if fits(message, limit):
        return message
    room = limit - _units(ELLIPSIS)
    text, places = _beginning(message, room)
    place = _best(text, places, room)
    closing = "".join(f"</{tag}>" for tag in reversed(place.open_tags))
    return f"{message[: place.source].rstrip(' ')}{ELLIPSIS}{closing}"


def _beginning(message: str, room: int) -> tuple[str, list[_Place]]:
    """Returns the text that fits into `room`, and the place after each of its characters."""
    characters: list[str] = []
    places = [_Place(0, 0, 0, ())]
    open_tags: tuple[str, ...] = ()
    for token, text in _tokens(message):
        if token["tag"]:
            open_tags = open_tags[:-1] if token["end"] else (*open_tags, token["tag"])
            continue
        units = places[-1].units + _units(text)
        if units > room:
            break
        characters.append(text)
        places.append(_Place(token.end(), places[-1].text + len(text), units, open_tags))
    return "".join(characters), places


def _best(text: str, places: list[_Place], room: int) -> _Place:
    at = {place.text: place for place in places}
    for wanted in _BREAKS:
        before, found, _ = text.rpartition(wanted)
        if found and (place := at[len(before + found)]).units > room / 2:
            return place
    return places[-1]


def _tokens(message: str) -> Iterator[tuple[re.Match[str], str]]:
    """Yields each tag, entity or character with the text that it stands for."""
    for token in _TOKEN.finditer(message):
        yield token, "" if token["tag"] else html.unescape(token[0]) if len(token[0]) > 1 else token[0]


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
