"""The payloads for resuming a channel whose provider accepts no message for a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class ResumeChannelInput:
    channel: str
    until: datetime
    """When the stop ends, as far as is known. The database may know of a later end."""


@dataclass(frozen=True)
class ResumeChannelResult:
    until: datetime | None = None
    """The end of a stop that is still in force. None: the channel sends again."""
