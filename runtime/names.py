"""Makes a name from outside fit to be shown: it has no invisible characters, does not change the direction of the text
around it, and is short enough for every text."""

from __future__ import annotations

from unicodedata import bidirectional, category

LONGEST_NAME = 500
"""Characters that an import accepts."""
LONGEST_SHOWN = 200
"""Characters in a text: three names of this length leave room for the date and the link in a Telegram message."""

STEPS = frozenset({".", ".."})
"""In a path these are steps: a browser follows them instead of sending them."""

_LONGEST_READ = 4 * LONGEST_SHOWN
_ELLIPSIS = "…"
_SPACES = frozenset({"Cc", "Zl", "Zp"})
_JOINERS = frozenset("\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}")
_JOINED = frozenset({"Lo", "Mn", "Mc", "So", "Sk"})
"""Letters without case, their marks, and emoji: between two of these a joiner changes what is seen, as in Persian."""
_BLACK_FLAG = "\N{WAVING BLACK FLAG}"
_TAGS = range(0xE0020, 0xE0080)
"""After a black flag they make the flag of a region. Anywhere else they are invisible."""
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Marks and letters without any shape."""
_ISOLATE = "\N{FIRST STRONG ISOLATE}{}\N{POP DIRECTIONAL ISOLATE}"
_TURNED = {"ltr": frozenset({"R", "AL"}), "rtl": frozenset({"L"})}
"""By the direction of a language: the letters that run the other way."""


def visible(text: str) -> str:
    """Returns the text without invisible characters: marks of direction, zero-width spaces, tags, and the like. Control
    characters and line breaks become spaces. Joiners stay where they join."""
    seen = ""
    for place, character in enumerate(text):
        seen += _seen(seen[-1:], character, text[place + 1 : place + 2])
    return seen


def shown(name: str) -> str:
    """Returns the name on one line, without invisible characters, cut to `LONGEST_SHOWN` characters."""
    line = " ".join(visible(name[:_LONGEST_READ]).split())
    return line if len(line) <= LONGEST_SHOWN else visible(line[: LONGEST_SHOWN - 1]).rstrip() + _ELLIPSIS


def isolated(name: str, direction: str) -> str:
    """Encloses a name that runs against `direction` (ltr or rtl), so that it does not move the words beside it."""
    turned = any(bidirectional(character) in _TURNED[direction] for character in name)
    return _ISOLATE.format(name) if turned else name


def _seen(before: str, character: str, after: str) -> str:
    """Returns what is seen of a character between two others; empty: nothing."""
    kind = category(character)
    if kind in _SPACES:
        return " "
    if kind == "Cs":
        return "\N{REPLACEMENT CHARACTER}"
    if character in _JOINERS:
        joins = before and after and category(before) in _JOINED and category(after) in _JOINED
        return character if joins else ""
    if ord(character) in _TAGS:
        return character if before and (before == _BLACK_FLAG or ord(before) in _TAGS) else ""
    return "" if kind == "Cf" or character in _BLANKS else character
