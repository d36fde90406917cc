"""How a message shows what somebody wrote."""

from __future__ import annotations

LONGEST = 60


def quote(text: str) -> str:
    """The text in quotation marks, on one line, cut to 60 characters."""
    return repr(text if len(text) <= LONGEST else text[: LONGEST - 3] + "...")
