"""Renders the three parts of an e-mail."""

from __future__ import annotations

from dataclasses import dataclass

from db.record.claim import Claim
from texts.renderer import Renderer, own_text


@dataclass(frozen=True)
class Mail:
    """A rendered e-mail. `subject` is one line; `html` is None if there is only plain text."""

    subject: str
    text: str
    html: str | None


def render_mail(renderer: Renderer, claim: Claim, unsubscribe_url: str | None = None) -> Mail:
    """Renders the e-mail of a claim. A test notification may have its own subject, text and HTML."""
    subject, plain_only = renderer.subject(claim), bool(own_text(claim))
    more = {"title": subject, "unsubscribe_url": unsubscribe_url}
    return Mail(
        subject=subject,
        text=renderer.text(claim, **more),
        html=claim.metadata.get("html") or (None if plain_only else renderer.html(claim, **more)),
    )
