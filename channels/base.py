"""What can come of handing a message to a provider. Anything but a `Receipt` is raised.

`reply` may hold a recipient's address and goes to the database only; `reason` is a stable code without any.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Receipt:
    """The provider took the message. `provider_id` is None where the sender had chosen it (Message-ID)."""

    provider_id: str | None
    reply: str


class NotHandedOver(Exception):
    """The provider surely does not have the message."""

    def __init__(self, reason: str, reply: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reply = reply


class Rejected(NotHandedOver):
    """Refused for good: another attempt with the same recipient and text would be refused too."""


class RecipientGone(Rejected):
    """Refused for good, and so would be whatever else goes there: the address or chat is to be used no more."""


class TryAgain(NotHandedOver):
    """Worth another attempt; `after` where the provider says when."""

    def __init__(self, reason: str, reply: str | None = None, after: timedelta | None = None) -> None:
        super().__init__(reason, reply)
        self.after = after


class OperatorFault(NotHandedOver):
    """Our own credentials or settings are refused: no recipient's fault, and nothing that retrying soon mends."""


class RecipientMoved(NotHandedOver):
    """The chat has a new id, to be saved; the message can be sent there."""

    def __init__(self, new_chat_id: int, reply: str) -> None:
        super().__init__("chat_migrated", reply)
        self.new_chat_id = new_chat_id


class InDoubt(Exception):
    """The message may have been taken: the answer got lost."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
