"""SMS, as one of the channels: all that a third channel takes, outside of the application."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from channels.base import Channel, Limits, ScrubPattern, Sender, Words
from contracts.sending import ChannelOptions, Fairness
from db.record.claim import Claim
from runtime.http_client import new_http_client
from settings import Settings
from tests.sms_channel.plan import SMS
from tests.sms_channel.sender import PART, SmsSender, render
from tests.sms_channel.settings import SmsSettings
from texts.renderer import Renderer

NUMBER = re.compile(r"\+[0-9]{7,15}")


class SmsChannel(Channel):
    """Nothing tells a recipient that a text is a second copy."""

    plan = SMS
    words = Words(heading="SMS", provider="The SMS gateway", messages="Texts")
    needs = "SMS_API_URL"
    away_code = "sms_away"
    parts = {PART: Path(__file__).parent / "templates"}  # noqa: RUF012 - read only, as the base class declares it
    scrubbed = (ScrubPattern(re.compile(r"(\+[0-9]{3})[0-9]{4,12}"), r"\1***"),)

    def is_configured(self, settings: Settings) -> bool:
        return SmsSettings().api_url is not None

    def options(self, settings: Settings) -> ChannelOptions:
        own = SmsSettings()
        return ChannelOptions(own.retry_initial, own.attempt_timeout)

    def limits(self, settings: Settings) -> Limits:
        return Limits(in_all=SmsSettings().rate, for_each_key=SmsSettings().rate)

    def fairness(self, settings: Settings) -> Callable[[int | None, str | None], Fairness]:
        return lambda company_id, address: Fairness(str(company_id or ""))

    def address_key(self, address: str) -> str:
        number = re.sub(r"[ ()/-]", "", address)
        if not NUMBER.fullmatch(number):
            raise ValueError(f"{address!r} is not a telephone number such as +49 30 1234567")
        return number

    def mask(self, address: str) -> str:
        return f"***{address[-2:]}"

    def admin_address(self, settings: Settings) -> str | None:
        return SmsSettings().admin_number

    def resends_in_doubt(self, settings: Settings) -> bool:
        return False

    def provider_address(self, settings: Settings) -> str:
        return "SMS_API_URL"

    def preview(self, renderer: Renderer, claim: Claim) -> dict[str, str]:
        return {PART: render(renderer, claim)}

    @asynccontextmanager
    async def open(self, settings: Settings, renderer: Renderer, connections: int) -> AsyncIterator[Sender]:
        async with new_http_client(10, connections) as client:
            yield SmsSender(SmsSettings(), renderer, client)


CHANNEL = SmsChannel()
