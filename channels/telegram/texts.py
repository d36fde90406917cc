"""A notification as one message in Telegram's HTML."""

from __future__ import annotations

from channels.telegram import fitting
from db.record.claim import Claim
from texts.renderer import CONTENTS_SHOWN, Renderer

PART = "telegram.html"

_CONTENTS_TRIED = (CONTENTS_SHOWN, 10, 5, 1)
"""What is tried before a message is cut: its end says how to renew."""


def render_message(renderer: Renderer, claim: Claim) -> str:
    """Within Telegram's limit."""
    for shown in _CONTENTS_TRIED:
        message = renderer.part(claim, PART, shown).strip()
        if fitting.fits(message):
            break
    return fitting.cut(message)
