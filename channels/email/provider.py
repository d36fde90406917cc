"""What e-mail needs of whoever takes its messages: SMTP is one, an HTTP service would be one more file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from email.message import EmailMessage
from typing import Protocol

from channels.base import Receipt
from settings import Settings


class MailProvider(Protocol):
    """Hands over composed messages, each to one recipient."""

    async def send(
        self, message: EmailMessage, sender: str, recipient: str, before_handover: Callable[[], Awaitable[None]]
    ) -> Receipt:
        """`before_handover` is awaited just before the irrevocable step. Raises `NotHandedOver` and `InDoubt`. May run
        twice, with the same Message-ID in `message`."""

    async def probe(self) -> None:
        """Logs in as for a message, and leaves without one. Raises as `send` does."""


OpenProvider = Callable[[Settings, int], AbstractAsyncContextManager[MailProvider]]
"""Opens the way to the provider, with at most so many connections at a time."""
