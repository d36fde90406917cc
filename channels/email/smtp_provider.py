"""The mail provider for SMTP: the configured server, over pooled connections."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from socket import getfqdn
from typing import assert_never

from channels.base import Receipt
from channels.current_secret import current_secret
from channels.email import smtp
from channels.email.composing import ComposedMail
from channels.email.smtp import SmtpServer
from channels.email.smtp_pool import PoolLimits, SmtpPool
from settings import Settings, SmtpTls


class SmtpProvider:
    """Sends by the configured mail server. Each new connection uses the current password."""

    def __init__(self, settings: Settings, connections: int) -> None:
        self._settings = settings
        self._tls = ssl.create_default_context(cafile=settings.smtp_tls_ca_file)
        self._local_hostname = settings.smtp_ehlo_host or getfqdn()
        limits = PoolLimits(connections, settings.smtp_messages_per_connection, settings.smtp_idle_timeout)
        self._pool = SmtpPool(lambda: smtp.connect(self._server()), limits)

    async def send(
        self, mail: ComposedMail, sender: str, recipient: str, before_handover: Callable[[], Awaitable[None]]
    ) -> Receipt:
        return await smtp.send(self._pool, mail, sender, recipient, before_handover)

    async def probe(self) -> None:
        await smtp.probe(self._server())

    async def close(self) -> None:
        """Closes the idle connections."""
        await self._pool.close()

    def _server(self) -> SmtpServer:
        """Returns the server to connect to. Raises `OperatorFault` if the password is required and missing."""
        settings = self._settings
        starttls, implicit_tls = _tls_at(settings.smtp_tls)
        return SmtpServer(
            host=settings.smtp_host or "",
            port=settings.smtp_port,
            local_hostname=self._local_hostname,
            tls=self._tls,
            starttls=starttls,
            implicit_tls=implicit_tls,
            username=settings.smtp_username,
            password=current_secret(settings, "smtp_password") if settings.smtp_username else None,
        )


def _tls_at(security: SmtpTls) -> tuple[bool, bool]:
    """Returns whether TLS begins with STARTTLS, and whether it begins with the connection."""
    match security:
        case SmtpTls.STARTTLS:
            return True, False
        case SmtpTls.IMPLICIT:
            return False, True
        case SmtpTls.NONE:
            return False, False
        case _:
            assert_never(security)


@asynccontextmanager
async def open_smtp(settings: Settings, connections: int) -> AsyncIterator[SmtpProvider]:
    provider = SmtpProvider(settings, connections)
    try:
        yield provider
    finally:
        await provider.close()
