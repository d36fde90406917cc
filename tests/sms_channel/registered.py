"""Registers the channel when it is imported: before the application's own modules are."""

from __future__ import annotations

from channels.registry import register
from tests.sms_channel.plan import SMS

register(SMS)
