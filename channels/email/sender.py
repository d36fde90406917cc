"""Sends a claimed delivery as an e-mail."""

from __future__ import annotations

from typing import assert_never

from channels.base import MarkSending, Receipt
from channels.current_secret import current_secret
from channels.email.bounce_addresses import BounceAddresses
from channels.email.composing import compose
from channels.email.provider import MailProvider
from channels.email.texts import Mail, render_mail
from channels.email.unsubscribe_links import UnsubscribeLinks
from contracts.keys import NotificationType
from db.record.attempt import SentText
from db.record.claim import Claim
from settings import Settings
from texts.renderer import Renderer


class EmailSender:
    """Renders, composes and hands over an e-mail."""

    def __init__(self, settings: Settings, renderer: Renderer, provider: MailProvider) -> None:
        self._settings = settings
        self._renderer = renderer
        self._provider = provider

    async def hand_over(self, claim: Claim, recipient: str, mark_sending: MarkSending) -> Receipt:
        """Hands over the delivery. A copy has the same Message-ID."""
        unsubscribe_url = self._unsubscribe_url(claim, recipient)
        mail = render_mail(self._renderer, claim, unsubscribe_url)
        message = compose(self._settings, claim.notification_id, claim.dedupe_key, recipient, mail, unsubscribe_url)
        sent = SentText(mail.subject, mail.text, mail.html, message.message_id)
        return await self._provider.send(
            message, self._envelope_sender(claim.delivery_id, recipient), recipient, lambda: mark_sending(sent)
        )

    async def alert(self, recipient: str, key: str, subject: str, message: str) -> None:
        mail = compose(self._settings, None, key, recipient, Mail(subject, message, None))
        await self._provider.send(
            mail, self._settings.smtp_bounce_address or self._settings.sender, recipient, _mark_nothing
        )

    async def probe(self) -> None:
        await self._provider.probe()

    def _envelope_sender(self, delivery_id: int, recipient: str) -> str:
        """Returns the address that bounces go to, with the tag that proves them if SMTP_BOUNCE_ADDRESS is set."""
        settings = self._settings
        if settings.smtp_bounce_address is None:
            return settings.sender
        addresses = BounceAddresses(settings.smtp_bounce_address, current_secret(settings, "unsubscribe_secret"))
        return addresses.tagged(delivery_id, recipient)

    def _unsubscribe_url(self, claim: Claim, recipient: str) -> str | None:
        """Returns the unsubscribe link, signed with the current secret. None: this e-mail has no link."""
        settings = self._settings
        if not settings.unsubscribe_configured or not _may_be_unsubscribed_from(claim.notification_type):
            return None
        links = UnsubscribeLinks(current_secret(settings, "unsubscribe_secret"))
        return links.url(str(settings.public_url), claim.delivery_id, recipient)


def _may_be_unsubscribed_from(notification_type: NotificationType) -> bool:
    match notification_type:
        case NotificationType.EXPIRING | NotificationType.EXPIRED | NotificationType.TEST:
            return True
        case NotificationType.ALERT:  # operators get alerts even if they have unsubscribed
            return False
        case _:
            assert_never(notification_type)


async def _mark_nothing() -> None:
    """Does nothing: an alert without a record has no row to mark."""
