"""The interface of mail providers. SMTP is one implementation; an HTTP service would be one more file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from channels.base import Receipt
from channels.email.composing import ComposedMail
from settings import Settings


class MailProvider(Protocol):
    """Hands over composed messages, each to one recipient."""

    async def send(
        self, mail: ComposedMail, sender: str, recipient: str, before_handover: Callable[[], Awaitable[None]]
    ) -> Receipt:
        """Hands over one message. Calls `before_handover` just before the irrevocable step. Raises `NotHandedOver` and
        `InDoubt`. May run twice, with the same Message-ID in `mail`."""

    async def probe(self) -> None:
        """Logs in, but sends no message. Raises as `send` does."""


OpenProvider = Callable[[Settings, int], AbstractAsyncContextManager[MailProvider]]
"""Opens a provider with at most this many connections at a time."""
