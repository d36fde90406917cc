"""Renders the three parts of an e-mail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from contracts.keys import NotificationType
from db.record.claim import Claim
from texts.renderer import Renderer


@dataclass(frozen=True)
class Mail:
    """A rendered e-mail. `subject` is one line; `html` is None if there is only plain text."""

    subject: str
    text: str
    html: str | None


def render_mail(renderer: Renderer, claim: Claim, unsubscribe_url: str | None = None) -> Mail:
    """Renders the e-mail of a claim. A test notification may have its own subject, text and HTML."""
    subject = renderer.subject(claim)
    own_text = _own_text(claim)
    more = {"title": subject, "unsubscribe_url": unsubscribe_url}
    return Mail(
        subject=subject,
        text=own_text or renderer.text(claim, **more),
        html=claim.metadata.get("html") or (None if own_text else renderer.html(claim, **more)),
    )


def _own_text(claim: Claim) -> str | None:
    """Returns the text that replaces the template. An alert's message is not one: a template frames it."""
    match claim.notification_type:
        case NotificationType.TEST:
            return claim.message
        case NotificationType.EXPIRING | NotificationType.EXPIRED | NotificationType.ALERT:
            return None
        case _:
            assert_never(claim.notification_type)
