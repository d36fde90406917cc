"""The channel Telegram."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from channels.base import Channel, Limits, ScrubPattern, Sender, Words
from channels.telegram.connection import BotConnection
from channels.telegram.plan import TELEGRAM
from channels.telegram.sender import TelegramSender
from channels.telegram.texts import PART, render_message
from contracts.sending import ChannelOptions, Fairness
from db.record.claim import Claim
from settings import Settings
from texts.renderer import Renderer

BOT_TOKEN = re.compile(r"\b(?:bot)?\d{3,}(?::|%3A)[\w-]{20,}", re.IGNORECASE)
PROXY_LOGIN = re.compile(r"\b((?:https?|socks5h?)://)[^\s/@]{1,300}@", re.IGNORECASE)
"""The user and password in a proxy's URL."""
IDS = range(-(2**63), 2**63)
LONGEST_SHOWN = 60
"""Characters of a wrong chat id that its error quotes."""


class TelegramChannel(Channel):
    """Sends a bot's messages by the Bot API. A recipient cannot recognise a copy."""

    plan = TELEGRAM
    words = Words(heading="Telegram", provider="Telegram", messages="Messages")
    needs = "TELEGRAM_BOT_TOKEN"
    away_code = "telegram_away"
    parts = {PART: None}  # noqa: RUF012 - read only, as the base class declares it
    scrubbed = (ScrubPattern(BOT_TOKEN, "bot:***"), ScrubPattern(PROXY_LOGIN, r"\1***@"))

    def is_configured(self, settings: Settings) -> bool:
        return settings.telegram_bot_token is not None or settings.telegram_bot_token_file is not None

    def options(self, settings: Settings) -> ChannelOptions:
        return ChannelOptions(settings.telegram_retry_initial, settings.telegram_attempt_timeout)

    def limits(self, settings: Settings) -> Limits:
        return Limits(settings.telegram_rate, settings.telegram_chat_rate)

    def fairness(self, settings: Settings) -> Callable[[int | None, str | None], Fairness]:
        """Shares the rate by chat. A group has a smaller share, because Telegram allows it fewer messages."""
        try:
            token = settings.secret("telegram_bot_token")
        except ValueError:  # the attempt reports it; it must not stop a scan
            token = None
        of_a_group = min(1.0, settings.telegram_group_rate_per_minute / 60 / settings.telegram_chat_rate)

        def of_chat(_company_id: int | None, chat: str | None) -> Fairness:
            if chat is None or token is None:
                return Fairness()
            key = hmac.new(token.encode(), chat.encode(), hashlib.sha256).hexdigest()[:16]
            # https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
            return Fairness(key, of_a_group if chat.startswith("-") else 1.0)

        return of_chat

    def address_key(self, address: str) -> str:
        if not re.fullmatch(r"-?[0-9]{1,19}", address) or int(address) == 0 or int(address) not in IDS:
            raise ValueError(
                f"{address[:60]!r} is not a Telegram chat id: write a whole number of at most 64 bits, not 0"
            )
        return str(int(address))

    def mask(self, address: str) -> str:
        return f"***{address[-3:]}"

    def admin_address(self, settings: Settings) -> str | None:
        return None if settings.telegram_admin_chat_id is None else str(settings.telegram_admin_chat_id)

    def resends_in_doubt(self, settings: Settings) -> bool:
        return settings.telegram_in_doubt == "resend"

    def provider_address(self, settings: Settings) -> str:
        return "TELEGRAM_API_URL"

    def preview(self, renderer: Renderer, claim: Claim) -> dict[str, str]:
        return {PART: render_message(renderer, claim)}

    @asynccontextmanager
    async def open(self, settings: Settings, renderer: Renderer, connections: int) -> AsyncIterator[Sender]:
        async with AsyncExitStack() as stack:
            yield TelegramSender(settings, renderer, BotConnection(settings, connections, stack))


CHANNEL = TelegramChannel()
