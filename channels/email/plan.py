"""E-mail, for workflows."""

from __future__ import annotations

from datetime import timedelta

from channels.base import Plan
from channels.email.words import explain
from contracts.sending import ChannelOptions

EMAIL = Plan(
    name="email",
    message="E-mail",
    implementation="channels.email.channel:CHANNEL",
    options=ChannelOptions(retry_initial=30, attempt_timeout=660),
    # Greylisting takes minutes, repairing a mail server takes longer.
    longest_retry=timedelta(minutes=30),
    explain=explain,
)
