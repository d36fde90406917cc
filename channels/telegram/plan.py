"""Telegram, for workflows."""

from __future__ import annotations

from datetime import timedelta

from channels.base import Plan
from channels.telegram.words import explain
from contracts.sending import ChannelOptions

TELEGRAM = Plan(
    name="telegram",
    message="Telegram message",
    implementation="channels.telegram.channel:CHANNEL",
    options=ChannelOptions(retry_initial=5, attempt_timeout=60),
    # On 429 Telegram says how long to wait; everything else is short outages.
    longest_retry=timedelta(minutes=10),
    explain=explain,
)
