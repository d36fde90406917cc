"""Sending a notification by Telegram."""

from __future__ import annotations

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity

from activities.alerts import Alerts
from activities.attempt import DeliveryAttempts, MarkSending, current_secret
from channels.base import Receipt, Rejected
from channels.telegram import bot_api
from contracts.queues import Channel
from contracts.sending import Reason, SendInput, SendResult
from db.record.attempt import SentText
from db.record.claim import Claim
from settings import Settings
from texts.renderer import Renderer


class TelegramActivities:
    """The activity of the `telegram` task queue."""

    def __init__(
        self, engine: AsyncEngine, settings: Settings, renderer: Renderer, client: httpx.AsyncClient, alerts: Alerts
    ) -> None:
        self._settings = settings
        self._renderer = renderer
        self._client = client
        self._attempts = DeliveryAttempts(
            engine,
            alerts,
            Channel.TELEGRAM,
            configured=settings.telegram_configured,
            attempt_timeout=settings.telegram_attempt_timeout,
            operator_fault_retry=settings.operator_fault_retry,
            pause_retry=settings.pause_retry,
            resend_in_doubt=settings.telegram_in_doubt == "resend",
        )

    @activity.defn
    async def send_telegram(self, input: SendInput) -> SendResult:
        """One attempt at the notification's Telegram message. In doubt it ends `unknown`, unless TELEGRAM_IN_DOUBT says
        to send a copy: nothing would tell the recipient that it is one."""

        async def hand_over(claim: Claim, recipient: str, mark_sending: MarkSending) -> Receipt:
            token = current_secret(self._settings, "telegram_bot_token")
            try:
                chat_id = int(recipient)
            except ValueError:
                raise Rejected(Reason.INVALID_ADDRESS) from None
            text = self._renderer.telegram(claim)
            return await bot_api.send(
                self._client,
                str(self._settings.telegram_api_url),
                token,
                chat_id,
                text,
                lambda: mark_sending(SentText(subject=None, body=text)),
            )

        return await self._attempts.run(input, hand_over)
