"""Sending a notification by e-mail."""

from __future__ import annotations

import ssl
from socket import getfqdn

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity

from activities.alerts import Alerts
from activities.attempt import DeliveryAttempts, MarkSending, current_secret
from channels.base import Receipt
from channels.email import smtp
from channels.email.composing import compose
from channels.email.smtp import SmtpServer
from channels.email.smtp_pool import PoolLimits, SmtpPool
from channels.email.unsubscribe_links import UnsubscribeLinks
from contracts.keys import NotificationType
from contracts.queues import Channel
from contracts.sending import SendInput, SendResult
from db.record.attempt import SentText
from db.record.claim import Claim
from settings import Settings, SmtpTls
from texts.renderer import Renderer


class EmailActivities:
    """The activity of the `email` task queue."""

    def __init__(self, engine: AsyncEngine, settings: Settings, renderer: Renderer, alerts: Alerts) -> None:
        self._settings = settings
        self._renderer = renderer
        self._tls = ssl.create_default_context(cafile=settings.smtp_tls_ca_file)
        self._local_hostname = getfqdn()
        self._pool = SmtpPool(
            lambda: smtp.connect(mail_server(settings, self._tls, self._local_hostname)),
            PoolLimits(
                settings.smtp_max_connections, settings.smtp_messages_per_connection, settings.smtp_idle_timeout
            ),
        )
        self._attempts = DeliveryAttempts(
            engine,
            alerts,
            Channel.EMAIL,
            configured=settings.email_configured,
            attempt_timeout=settings.email_attempt_timeout,
            operator_fault_retry=settings.operator_fault_retry,
            pause_retry=settings.pause_retry,
            resend_in_doubt=True,
        )

    @activity.defn
    async def send_email(self, input: SendInput) -> SendResult:
        """One attempt at the notification's e-mail; a copy that may be a second one has the same Message-ID."""

        async def hand_over(claim: Claim, recipient: str, mark_sending: MarkSending) -> Receipt:
            unsubscribe_url = self._unsubscribe_url(claim, recipient)
            rendered = self._renderer.email(claim, unsubscribe_url)
            message = compose(
                self._settings, input.notification_id, claim.dedupe_key, recipient, rendered, unsubscribe_url
            )
            sent = SentText(rendered.subject, rendered.text, rendered.html, str(message["Message-ID"]))
            return await smtp.send(
                self._pool,
                message,
                self._settings.sender,
                recipient,
                lambda: mark_sending(sent),
            )

        return await self._attempts.run(input, hand_over)

    def _unsubscribe_url(self, claim: Claim, recipient: str) -> str | None:
        """The link for this mail, signed with the secret as it is now. None: it bears none."""
        settings = self._settings
        if not settings.unsubscribe_configured or claim.notification_type == NotificationType.ALERT:
            return None
        links = UnsubscribeLinks(current_secret(settings, "unsubscribe_secret"))
        return links.url(str(settings.public_url), claim.delivery_id, recipient)

    async def close(self) -> None:
        """Closes the idle connections; for a worker that stops."""
        await self._pool.close()


def mail_server(settings: Settings, tls: ssl.SSLContext, local_hostname: str) -> SmtpServer:
    """The mail server of the settings, with the password as it is now. Raises `OperatorFault` if there is none."""
    return SmtpServer(
        host=settings.smtp_host or "",
        port=settings.smtp_port,
        local_hostname=local_hostname,
        tls=tls,
        starttls=settings.smtp_tls is SmtpTls.STARTTLS,
        implicit_tls=settings.smtp_tls is SmtpTls.IMPLICIT,
        username=settings.smtp_username,
        password=current_secret(settings, "smtp_password") if settings.smtp_username else None,
    )
