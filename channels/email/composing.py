"""Composes an e-mail (RFC 5322) from rendered texts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from channels.email.addresses import Mailbox, our_mailbox, recipient_mailbox
from channels.email.bodies import body
from channels.email.headers import mailbox_header, text_header, verbatim_header, without_controls
from channels.email.texts import Mail
from settings import Settings, SettingsError


@dataclass(frozen=True)
class ComposedMail:
    """A mail for one recipient. Its bytes depend on what the server takes."""

    message_id: str
    headers: str
    """Lines that end with CRLF. ASCII, unless `needs_smtputf8`."""
    needs_smtputf8: bool
    text: str
    html: str | None

    def as_bytes(self, *, eight_bit: bool = False) -> bytes:
        """Returns the mail as it is sent. `eight_bit`: the server offers 8BITMIME (RFC 6152)."""
        return self.headers.encode() + body(self.text, self.html, eight_bit=eight_bit)


def compose(
    settings: Settings,
    notification_id: int | None,
    dedupe_key: str,
    recipient: str,
    rendered: Mail,
    unsubscribe_url: str | None = None,
) -> ComposedMail:
    """Composes the mail. Its Message-ID depends only on `dedupe_key`, so that a copy is recognised.
    Auto-Submitted (RFC 3834) keeps autoresponders quiet. `notification_id` is None for an alert that is not in the
    record.

    Raises `Rejected` if `recipient` is not an address, and `SettingsError` if a setting cannot stand in a header.
    """
    to = recipient_mailbox(recipient)
    sender = _mailbox_of(settings, "smtp_from_email")
    message_id = f"<{dedupe_key}@{sender.domain}>"
    headers = [
        mailbox_header("From", sender, settings.needed("smtp_from_name")),
        mailbox_header("To", to),
        text_header("Subject", rendered.subject),
        verbatim_header("Date", format_datetime(datetime.now(UTC))),
        verbatim_header("Message-ID", message_id),
        mailbox_header("Reply-To", _mailbox_of(settings, "support_email")),
        verbatim_header("Auto-Submitted", "auto-generated"),
    ]
    if notification_id is not None:
        headers.append(verbatim_header("X-Notification-Id", str(notification_id)))
    if unsubscribe_url is not None:
        headers.append(verbatim_header("List-Unsubscribe", f"<{unsubscribe_url}>"))  # RFC 2369
        headers.append(verbatim_header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))  # RFC 8058
    return ComposedMail(message_id, "".join(headers), to.needs_smtputf8, rendered.text, rendered.html)


def require_composable(settings: Settings) -> None:
    """Composes a mail, to find out at the start whether the settings can be written into one. Raises
    `SettingsError`."""
    name = settings.needed("smtp_from_name")
    if not name.strip() or without_controls(name) != name:
        raise SettingsError("SMTP_FROM_NAME: must be one line without control characters, and not blank")
    compose(settings, None, "start", settings.sender, Mail("subject", "text", None)).as_bytes()


def _mailbox_of(settings: Settings, name: str) -> Mailbox:
    """Returns the address in a setting. It is in every mail, so it must not need what only some servers have."""
    try:
        mailbox = our_mailbox(settings.needed(name))
    except ValueError as error:
        raise SettingsError(f"{name.upper()}: is not an e-mail address: {error}") from None
    if mailbox.needs_smtputf8:
        raise SettingsError(
            f"{name.upper()}: has letters beyond ASCII before the at sign: mail servers without SMTPUTF8 (RFC 6531) "
            "would take no e-mail with it. Use an address with ASCII letters there; its domain may be international"
        )
    return mailbox
