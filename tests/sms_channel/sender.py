"""From a claimed delivery to a text in the gateway's hands."""

from __future__ import annotations

import httpx

from channels.base import MarkSending, OperatorFault, Receipt
from db.record.attempt import SentText
from db.record.claim import Claim
from tests.sms_channel import gateway
from tests.sms_channel.settings import SmsSettings
from texts.renderer import Renderer

PART = "sms.txt"
LIMIT = 459
"""Characters: three joined texts."""


class SmsSender:
    def __init__(self, settings: SmsSettings, renderer: Renderer, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._renderer = renderer
        self._client = client

    async def hand_over(self, claim: Claim, recipient: str, mark_sending: MarkSending) -> Receipt:
        text = render(self._renderer, claim)
        return await gateway.send(
            self._client,
            *self._gateway(),
            recipient,
            text,
            lambda: mark_sending(SentText(subject=None, body=text)),
        )

    async def alert(self, recipient: str, key: str, subject: str, message: str) -> None:
        await gateway.send(self._client, *self._gateway(), recipient, f"{subject}\n{message}"[:LIMIT], _mark_nothing)

    async def probe(self) -> None:
        await gateway.ask_for_balance(self._client, *self._gateway())

    def _gateway(self) -> tuple[str, str]:
        if self._settings.key is None:
            raise OperatorFault("sms_key_missing")
        return self._settings.api_url or "", self._settings.key.get_secret_value()


def render(renderer: Renderer, claim: Claim) -> str:
    """Within what the gateway takes."""
    text = " ".join(renderer.part(claim, PART).split())
    return text if len(text) <= LIMIT else f"{text[: LIMIT - 1]}…"


async def _mark_nothing() -> None:
    """Does nothing: an alert without a record has no row to mark."""
