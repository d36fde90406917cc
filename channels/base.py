"""What a channel is: its plan for workflows, its ways to send, and what can come of handing over a message.

Nothing here does I/O, so that workflows may import it. A channel's own folder has the rest.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from temporalio.common import RetryPolicy

from contracts.sending import ChannelOptions, Fairness

if TYPE_CHECKING:
    from db.record.attempt import SentText
    from db.record.claim import Claim
    from settings import Settings
    from texts.renderer import Renderer


@dataclass(frozen=True)
class Plan:
    """What a workflow needs to know of a channel."""

    name: str
    """Stands in rows, payloads, the task queue's and the activity's name. Never changes."""
    message: str
    """What one message is called, such as "E-mail" or "Text message"."""
    implementation: str
    """Where the `Channel` is: `module:attribute`. Loaded only where I/O is allowed."""
    options: ChannelOptions
    """Used where `SendOptions` has none for this channel: they were made by a release that did not know it."""
    longest_retry: timedelta
    """Between two attempts, unless the provider asks for longer."""

    @property
    def activity(self) -> str:
        """The name of its send activity."""
        return f"send_{self.name}"

    def retry_policy(self, retry_initial: float) -> RetryPolicy:
        """`retry_initial` is in seconds. Temporal refuses a first interval that is longer than the longest."""
        first = timedelta(seconds=retry_initial)
        return RetryPolicy(initial_interval=first, maximum_interval=max(first, self.longest_retry))


MarkSending = Callable[["SentText"], Awaitable[None]]
"""Awaited just before the irrevocable step. Raises where nothing may be sent any more."""


class Sender(Protocol):
    """A channel's way to its provider, open."""

    async def hand_over(self, claim: Claim, recipient: str, mark_sending: MarkSending) -> Receipt:
        """Renders the claimed delivery and hands it over. Raises `NotHandedOver` and `InDoubt`."""

    async def alert(self, recipient: str, key: str, subject: str, message: str) -> None:
        """Hands over an alert that is not in the record; `key` names it. Raises as `hand_over` does."""

    async def probe(self) -> None:
        """Asks the provider whether it would take a message, and sends none. Raises as `hand_over` does."""


@dataclass(frozen=True)
class Limits:
    """Messages a second, of all workers together."""

    in_all: float
    for_each_key: float
    """For each fairness key."""


@dataclass(frozen=True)
class Words:
    """How operators are told of a channel."""

    heading: str
    """Of a column or the beginning of a subject: "E-mail"."""
    provider: str
    """At the beginning of a sentence: "The mail server"."""
    messages: str
    """"E-mails"."""


@dataclass(frozen=True)
class ScrubPattern:
    """What must reach no log: `pattern` is replaced as by `re.sub`."""

    pattern: re.Pattern[str]
    replacement: str


class Channel(ABC):
    """A way to reach a company: all in which it differs from the others. Stateless; `settings` are the process's.

    A channel with settings of its own reads them itself, from the environment, by a settings class in its folder.
    """

    plan: ClassVar[Plan]
    name: ClassVar[str]
    """The plan's."""
    words: ClassVar[Words]
    needs: ClassVar[str]
    """The setting that configures it."""
    away_code: ClassVar[str]
    """The problem's code while its provider does not answer."""
    parts: ClassVar[Mapping[str, Path | None]] = {}
    """Templates of its own, by file name, such as `sms.txt`: each in a folder `<locale>/<type>/` below this one; None:
    below `texts/templates`. Without any it takes the text that all channels share."""
    scrubbed: ClassVar[Sequence[ScrubPattern]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.name = cls.plan.name

    @abstractmethod
    def is_configured(self, settings: Settings) -> bool:
        """Whether the settings say how to reach the provider."""

    @abstractmethod
    def options(self, settings: Settings) -> ChannelOptions:
        """What workflows are told of the settings."""

    @abstractmethod
    def limits(self, settings: Settings) -> Limits:
        """What the task queue lets through."""

    @abstractmethod
    def fairness(self, settings: Settings) -> Callable[[int | None, str | None], Fairness]:
        """Tells whose turn a message is, by company id and address. A history shows the key: it names nobody."""

    @abstractmethod
    def address_key(self, address: str) -> str:
        """The address as it is compared: two with one key are the same recipient. Raises `ValueError` with a sentence
        for people, where it is no address."""

    @abstractmethod
    def mask(self, address: str) -> str:
        """The address as logs may show it."""

    @abstractmethod
    def admin_address(self, settings: Settings) -> str | None:
        """Where the operators are alerted. None: not on this channel."""

    @abstractmethod
    def resends_in_doubt(self, settings: Settings) -> bool:
        """Whether a message whose answer got lost is sent again: its recipient must be able to tell a copy."""

    @abstractmethod
    def provider_address(self, settings: Settings) -> str:
        """Where the provider is, as an alert names it. No secret."""

    @abstractmethod
    def preview(self, renderer: Renderer, claim: Claim) -> dict[str, str]:
        """The texts that a recipient would get, by file name."""

    @abstractmethod
    def open(self, settings: Settings, renderer: Renderer, connections: int) -> AbstractAsyncContextManager[Sender]:
        """The way to the provider, with at most so many connections at a time."""


@dataclass(frozen=True)
class Receipt:
    """The provider took the message. `provider_id` is None where the sender had chosen it (Message-ID)."""

    provider_id: str | None
    reply: str


class NotHandedOver(Exception):
    """The provider surely does not have the message.

    `reason` is a stable code. `reply` may hold a recipient's address and goes to the database only.
    """

    def __init__(self, reason: str, reply: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reply = reply


class Rejected(NotHandedOver):
    """Refused for good: another attempt with the same recipient and text would be refused too."""


class RecipientGone(Rejected):
    """Refused for good, and so would be whatever else goes there: the address is to be used no more."""


class TryAgain(NotHandedOver):
    """Worth another attempt; `after` where the provider says when."""

    def __init__(self, reason: str, reply: str | None = None, after: timedelta | None = None) -> None:
        super().__init__(reason, reply)
        self.after = after


class OperatorFault(NotHandedOver):
    """Our own credentials or settings are refused: no recipient's fault, and nothing that retrying soon mends."""


class RecipientMoved(NotHandedOver):
    """The recipient has a new address, to be saved; the message can be sent there."""

    def __init__(self, reason: str, new_address: str, reply: str) -> None:
        super().__init__(reason, reply)
        self.new_address = new_address


class InDoubt(Exception):
    """The message may have been taken: the answer got lost."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
