"""SMS, for workflows."""

from __future__ import annotations

from datetime import timedelta

from channels.base import Plan
from contracts.sending import ChannelOptions

SMS = Plan(
    name="sms",
    message="SMS",
    implementation="tests.sms_channel.channel:CHANNEL",
    options=ChannelOptions(retry_initial=10, attempt_timeout=30),
    longest_retry=timedelta(minutes=5),
)
