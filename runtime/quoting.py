"""Quotes a user's text in a message."""

from __future__ import annotations

LONGEST = 60


def quote(text: str) -> str:
    """Returns the text in quotation marks, on one line and cut to 60 characters."""
    return repr(text if len(text) <= LONGEST else text[: LONGEST - 3] + "...")
