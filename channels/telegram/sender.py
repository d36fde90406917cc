"""Sends a claimed delivery as a Telegram message."""

from __future__ import annotations

import html

from channels.base import MarkSending, Receipt, Rejected, TryAgain
from channels.current_secret import current_secret
from channels.telegram import bot_api, fitting
from channels.telegram.connection import BotConnection
from channels.telegram.replies import TOO_MANY_REQUESTS
from channels.telegram.texts import render_message
from contracts.sending import Reason
from db.record.attempt import SentText
from db.record.claim import Claim
from settings import Settings
from texts.renderer import Renderer


class TelegramSender:
    """Renders and hands over a message, with the bot's current token."""

    def __init__(self, settings: Settings, renderer: Renderer, connection: BotConnection) -> None:
        self._settings = settings
        self._renderer = renderer
        self._connection = connection

    async def hand_over(self, claim: Claim, recipient: str, mark_sending: MarkSending) -> Receipt:
        """Hands over the delivery. Telegram has no idempotency key: a second call sends a second message."""
        token = self._token()
        chat_id = _chat_id(recipient)
        text = render_message(self._renderer, claim)
        return await bot_api.send(
            self._connection.client(),
            str(self._settings.telegram_api_url),
            token,
            chat_id,
            text,
            lambda: mark_sending(SentText(subject=None, body=text)),
        )

    async def alert(self, recipient: str, key: str, subject: str, message: str) -> None:
        await bot_api.send(
            self._connection.client(),
            str(self._settings.telegram_api_url),
            self._token(),
            _chat_id(recipient),
            fitting.cut(f"<b>{html.escape(subject)}</b>\n\n{html.escape(message)}"),
            _mark_nothing,
        )

    async def probe(self) -> None:
        """Asks which bot the token belongs to. "Too many requests" counts as an answer."""
        try:
            await bot_api.get_me(self._connection.client(), str(self._settings.telegram_api_url), self._token())
        except TryAgain as trouble:
            if trouble.reason != TOO_MANY_REQUESTS:
                raise

    def _token(self) -> str:
        return current_secret(self._settings, "telegram_bot_token")


def _chat_id(recipient: str) -> int:
    try:
        return int(recipient)
    except ValueError:
        raise Rejected(Reason.INVALID_ADDRESS) from None


async def _mark_nothing() -> None:
    """Does nothing: an alert without a record has no row to mark."""
