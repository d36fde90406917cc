"""Which words name a company wherever they stand, and whether a text has one of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from db.people.companies import Personal

ERASED = "(erased)"
"""Stands where a name was."""
SHORTEST_NAME = 8
"""Characters of a name or slug that is looked for in texts about others."""
SHORTEST_ADDRESS = 6
_PARTS = re.compile(r"[\w.]+")


class Names:
    """Whether a text says one of the words. The word stands there alone, not within another word."""

    def __init__(self, words: Iterable[str]) -> None:
        self.words = sorted(words, key=lambda word: (-len(word), word))
        self._patterns = {word.lower(): _pattern(word) for word in self.words}

    def __call__(self, said: str) -> bool:
        lowered = said.lower()
        return any(word in lowered and pattern.search(said) for word, pattern in self._patterns.items())

    def replaced(self, said: str | None) -> str | None:
        """Returns the text with ERASED for each of the words."""
        for pattern in self._patterns.values():
            said = None if said is None else pattern.sub(ERASED, said)
        return said


def specific_names(personal: Personal) -> Names:
    """Returns what is looked for in texts that are not the company's own: its addresses, its name and slug, and the
    slugs of its projects and AR content. Alerts list such slugs, and never names or titles.

    An ordinary word names nobody: a name or slug must have a letter and `SHORTEST_NAME` characters, and the slug of an
    item two parts, such as `harbour-walk`.
    """
    addresses = (each for each in personal.written_addresses if len(each) >= SHORTEST_ADDRESS)
    own = (each for each in personal.company_names if _is_long(each))
    slugs = (each for each in personal.item_slugs if _is_long(each) and _has_parts(each))
    return Names({*addresses, *own, *slugs})


def all_names(personal: Personal) -> Names:
    """Returns all that names the company, except words that are too short to say so. For a text that is written now,
    and can be worded otherwise."""
    names = personal.company_names | personal.item_slugs | personal.item_names
    return Names({*specific_names(personal).words, *(each for each in names if _is_long(each))})


def _is_long(name: str) -> bool:
    return len(name) >= SHORTEST_NAME and any(map(str.isalpha, name))


def _has_parts(slug: str) -> bool:
    return len(_PARTS.findall(slug.replace("_", "-"))) > 1


def _pattern(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])", re.IGNORECASE)
