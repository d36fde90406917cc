"""Composes an e-mail (RFC 5322) from rendered texts."""

from __future__ import annotations

from datetime import UTC, datetime
from email.header import Header
from email.headerregistry import BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import EmailPolicy, Policy
from email.utils import format_datetime, formataddr

from channels.email.texts import Mail
from settings import Settings


class _EncodedHeader(UnstructuredHeader, BaseHeader):
    """A header with text in any language. Python's own folding loses a space where it begins a new encoded word (3.11);
    its older `Header` does not."""

    def fold(self, *, policy: Policy) -> str:
        if self.isascii():
            return str(super().fold(policy=policy))
        return f"{self.name}: {_encode(self.name, self)}\n".replace("\n", policy.linesep)


class _SenderHeader(_EncodedHeader):
    """A header with a name in any language and an address."""

    def fold(self, *, policy: Policy) -> str:
        if self.isascii():
            return super().fold(policy=policy)
        name, _, address = self.rpartition(" <")
        return f"{self.name}: {_encode(self.name, name)}\n <{address}\n".replace("\n", policy.linesep)


def _encode(header: str, text: str) -> str:
    """Encodes a text as in RFC 2047, in lines of at most 76 characters."""
    return Header(text, "utf-8", header_name=header).encode(linesep="\n")


class _VerbatimHeader(UnstructuredHeader, BaseHeader):
    """A header that is written unchanged. A link is one long word. Python would encode it if it exceeds a line's
    length, and mail programs do not find a link in encoded text."""

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


_HEADERS = HeaderRegistry()
_HEADERS.map_to_type("Subject", _EncodedHeader)
_HEADERS.map_to_type("From", _SenderHeader)
_HEADERS.map_to_type("List-Unsubscribe", _VerbatimHeader)
_POLICY = EmailPolicy(header_factory=_HEADERS)


def compose(
    settings: Settings,
    notification_id: int | None,
    dedupe_key: str,
    recipient: str,
    rendered: Mail,
    unsubscribe_url: str | None = None,
) -> EmailMessage:
    """Composes the message. Its Message-ID depends only on `dedupe_key`, so that a copy is recognised.
    Auto-Submitted (RFC 3834) keeps autoresponders quiet. `notification_id` is None for an alert that is not in the
    record."""
    domain = settings.sender.rpartition("@")[2]
    message = EmailMessage(_POLICY)
    name = settings.needed("smtp_from_name")
    message["From"] = formataddr((name, settings.sender)) if name.isascii() else f"{name} <{settings.sender}>"
    message["To"] = recipient
    message["Subject"] = rendered.subject
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = f"<{dedupe_key}@{domain}>"
    message["Reply-To"] = settings.needed("support_email")
    message["Auto-Submitted"] = "auto-generated"
    if notification_id is not None:
        message["X-Notification-Id"] = str(notification_id)
    if unsubscribe_url is not None:
        message["List-Unsubscribe"] = f"<{unsubscribe_url}>"  # RFC 2369
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    message.set_content(rendered.text)
    if rendered.html:
        message.add_alternative(rendered.html, subtype="html")
    return message
