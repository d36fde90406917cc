"""Makes a provider's reply clean before anything keeps, logs or matches it."""

from __future__ import annotations

import re
import unicodedata

LONGEST_REPLY = 1000
"""Characters of a reply that are kept."""

_LONGEST_READ = 4 * LONGEST_REPLY
_SPACES = frozenset({"Cc", "Zl", "Zp"})
_INVISIBLE = "Cf"
_LONE_SURROGATE = "Cs"
_CODES = re.compile(r"\d{3}(?:[ -][245]\.\d{1,3}\.\d{1,3}(?![\d.]))?(?!\d)")
_NOT_KEPT = "(text of the reply not kept)"
_HARMLESS_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


def clean_reply(reply: str) -> str:
    """Returns the reply on one line of at most `LONGEST_REPLY` characters, which PostgreSQL can store.

    Control characters become spaces, invisible ones are removed, and a byte that could not be decoded (a lone
    surrogate) becomes U+FFFD.
    """
    line = " ".join("".join(map(_clean, reply[:_LONGEST_READ])).split())
    return line if len(line) <= LONGEST_REPLY else f"{line[: LONGEST_REPLY - 1]}…"


def without_text(reply: str) -> str:
    """Returns the codes at the beginning of a reply, and says that its text was not kept. The text may name a person,
    and a history keeps what it gets."""
    codes = _CODES.match(reply)
    return f"{codes[0]} {_NOT_KEPT}" if codes else _NOT_KEPT


def harmless_id(provider_id: str | None) -> str | None:
    """Returns the provider's id of a message if it has the form of one. None: it could be anything."""
    return provider_id if provider_id is not None and _HARMLESS_ID.fullmatch(provider_id) else None


def _clean(character: str) -> str:
    category = unicodedata.category(character)
    if category in _SPACES:
        return " "
    if category == _INVISIBLE:
        return ""
    return "\N{REPLACEMENT CHARACTER}" if category == _LONE_SURROGATE else character
