"""Renders a notification as one message in Telegram's HTML."""

from __future__ import annotations

from channels.telegram import fitting
from db.record.claim import Claim
from texts.renderer import CONTENTS_SHOWN, Renderer

PART = "telegram.html"

_CONTENTS_TRIED = (CONTENTS_SHOWN, 10, 5, 1)
"""How many titles are tried before a message is cut. Its end says how to renew, so it should stay."""


def render_message(renderer: Renderer, claim: Claim) -> str:
    """Renders the claim within Telegram's limit."""
    for shown in _CONTENTS_TRIED:
        message = renderer.part(claim, PART, shown).strip()
        if fitting.fits(message):
            break
    return fitting.cut(message)
