"""The channel e-mail."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from email_validator import EmailNotValidError, validate_email

from channels.base import Channel, Limits, ScrubPattern, Sender, Words
from channels.email.bounce_addresses import SIGNS_BOUNCES
from channels.email.composing import require_composable
from channels.email.masking import MASK, mask_addresses
from channels.email.plan import EMAIL
from channels.email.sender import EmailSender
from channels.email.smtp_provider import open_smtp
from channels.email.texts import render_mail
from contracts.sending import ChannelOptions, Fairness
from db.record.claim import Claim
from settings import Settings
from texts.renderer import Renderer

UNSUBSCRIBE_TOKEN = re.compile(r"(/unsubscribe/)[^\s\"/{]+")
LONGEST_ADDRESS = 320
"""Characters: 64 before the at sign and 255 after it (RFC 5321 4.5.3.1). A longer text is not even parsed."""
SAMPLE_UNSUBSCRIBE_URL = "https://platform.example/unsubscribe/sample"


class EmailChannel(Channel):
    """Sends one message to each recipient by the configured mail provider. A copy has the same Message-ID."""

    plan = EMAIL
    words = Words(heading="E-mail", provider="The mail server", messages="E-mails")
    needs = "SMTP_HOST"
    away_code = "smtp_away"
    scrubbed = (ScrubPattern(UNSUBSCRIBE_TOKEN, r"\1***"), mask_addresses)

    def is_configured(self, settings: Settings) -> bool:
        return settings.smtp_host is not None

    def require_settings(self, settings: Settings) -> None:
        require_composable(settings)
        if settings.smtp_username is not None:
            settings.needed_secret("smtp_password", " when SMTP_USERNAME is set")
        if settings.public_url is not None:
            settings.needed_secret("unsubscribe_secret", " when PUBLIC_URL is set; it signs the unsubscribe links")

        if settings.smtp_bounce_address is not None:
            settings.needed_secret("unsubscribe_secret", SIGNS_BOUNCES)

    def options(self, settings: Settings) -> ChannelOptions:
        return ChannelOptions(settings.email_retry_initial, settings.email_attempt_timeout)

    def limits(self, settings: Settings) -> Limits:
        return Limits(settings.email_rate, settings.email_company_rate)

    def fairness(self, settings: Settings) -> Callable[[int | None, str | None], Fairness]:
        return lambda company_id, address: Fairness(str(company_id or ""))

    def address_key(self, address: str) -> str:
        if len(address) > LONGEST_ADDRESS:
            raise ValueError(
                f"{address[:60]!r}... is not an e-mail address: it has more than {LONGEST_ADDRESS} characters"
            )
        try:
            validate_email(address, check_deliverability=False)
        except EmailNotValidError as error:
            raise ValueError(f"{address!r} is not an e-mail address: {error}") from None
        return address.lower()

    def server_of(self, address: str) -> str:
        return address.rpartition("@")[2].lower()

    def mask(self, address: str) -> str:
        local, _, domain = address.rpartition("@")
        return f"{local[:1] if local[:1].isalnum() else ''}{MASK}@{domain}"

    def admin_address(self, settings: Settings) -> str | None:
        return settings.admin_email

    def resends_in_doubt(self, settings: Settings) -> bool:
        return True

    def provider_address(self, settings: Settings) -> str:
        return f"{settings.smtp_host}, port {settings.smtp_port}"

    def preview(self, renderer: Renderer, claim: Claim) -> dict[str, str]:
        mail = render_mail(renderer, claim, SAMPLE_UNSUBSCRIBE_URL)
        return {"subject.txt": mail.subject, "text.txt": mail.text, "html.html": mail.html or ""}

    @asynccontextmanager
    async def open(self, settings: Settings, renderer: Renderer, connections: int) -> AsyncIterator[Sender]:
        async with open_smtp(settings, min(connections, settings.smtp_max_connections)) as provider:
            yield EmailSender(settings, renderer, provider)


CHANNEL = EmailChannel()
