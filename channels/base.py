"""Defines a channel: its plan for workflows, its sender, and the outcomes of handing over a message.

Nothing here does I/O, so workflows may import it. A channel's own folder has the rest.
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

from contracts import in_words
from contracts.sending import ChannelOptions, Fairness
from runtime.cleaning import clean_reply

if TYPE_CHECKING:
    from db.record.attempt import SentText
    from db.record.claim import Claim
    from settings import Settings
    from texts.renderer import Renderer


@dataclass(frozen=True)
class Plan:
    """What a workflow needs to know about a channel."""

    name: str
    """Part of rows, payloads, and the names of task queue and activity. Never change it."""
    message: str
    """What one message is called, such as "E-mail" or "Text message"."""
    implementation: str
    """Where the `Channel` is: `module:attribute`. Loaded only where I/O is allowed."""
    options: ChannelOptions
    """Used if `SendOptions` has none for this channel, because the release that made them did not know it."""
    longest_retry: timedelta
    """The longest time between two attempts, unless the provider asks for more."""
    explain: Callable[[str], str | None] = lambda _code: None
    """From a provider's code to its meaning in words, without a full stop. None: the code is not known."""

    @property
    def activity(self) -> str:
        """The name of its send activity."""
        return f"send_{self.name}"

    def in_words(self, reason: str) -> str:
        """Returns what a delivery's reason means, as a sentence that names nobody."""
        if (sentence := in_words.of_reason(reason)) is not None:
            return sentence
        return f"{self.explain(reason) or 'The provider did not take it'}."

    def retry_policy(self, retry_initial: float) -> RetryPolicy:
        """Returns the retry policy; `retry_initial` is in seconds. Temporal refuses a first interval that is longer
        than the maximum."""
        first = timedelta(seconds=retry_initial)
        return RetryPolicy(initial_interval=first, maximum_interval=max(first, self.longest_retry))


MarkSending = Callable[["SentText"], Awaitable[None]]
"""Called just before the irrevocable step. Raises if the message must not be sent any more."""


class Sender(Protocol):
    """A channel's open connection to its provider."""

    async def hand_over(self, claim: Claim, recipient: str, mark_sending: MarkSending) -> Receipt:
        """Renders the claimed delivery and hands it over. Raises `NotHandedOver` and `InDoubt`."""

    async def alert(self, recipient: str, key: str, subject: str, message: str) -> None:
        """Hands over an alert that is not in the record; `key` identifies it. Raises as `hand_over` does."""

    async def probe(self) -> None:
        """Asks the provider whether it would take a message, without sending one. Raises as `hand_over` does."""


@dataclass(frozen=True)
class Limits:
    """Messages a second, over all workers."""

    in_all: float
    for_each_key: float
    """For each fairness key."""


@dataclass(frozen=True)
class Words:
    """The words for a channel in messages to operators."""

    heading: str
    """The heading of a column or the beginning of a subject, such as "E-mail"."""
    provider: str
    """The beginning of a sentence, such as "The mail server"."""
    messages: str
    """The plural at the beginning of a sentence, such as "E-mails"."""


Scrub = Callable[[str], str]
"""Replaces in a text what no log may show. The text may be anything, so it must take linear time."""


@dataclass(frozen=True)
class ScrubPattern:
    """A `Scrub` that replaces `pattern` as `re.sub` does. The pattern must take linear time."""

    pattern: re.Pattern[str]
    replacement: str

    def __call__(self, text: str) -> str:
        return self.pattern.sub(self.replacement, text)


class Channel(ABC):
    """A way to reach a company: everything in which it differs from other channels. Stateless.

    A channel with settings of its own reads them from the environment, by a settings class in its folder.
    """

    plan: ClassVar[Plan]
    name: ClassVar[str]
    """The plan's."""
    words: ClassVar[Words]
    needs: ClassVar[str]
    """The setting that configures the channel."""
    away_code: ClassVar[str]
    """The code of the problem that its provider does not answer."""
    parts: ClassVar[Mapping[str, Path | None]] = {}
    """Its own templates by file name, such as `sms.txt`. Each is in `<locale>/<type>/` below the given folder; None
    means `texts/templates`. Without own templates the channel uses the text that all channels share."""
    scrubbed: ClassVar[Sequence[Scrub]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.name = cls.plan.name

    @abstractmethod
    def is_configured(self, settings: Settings) -> bool:
        """Whether the settings say how to reach the provider."""

    def require_settings(self, settings: Settings) -> None:  # noqa: B027 - most need nothing else
        """Raises `SettingsError` if the channel is configured and lacks a setting that it needs to send."""

    @abstractmethod
    def options(self, settings: Settings) -> ChannelOptions:
        """Returns the settings that workflows need."""

    @abstractmethod
    def limits(self, settings: Settings) -> Limits:
        """Returns the rate limits of the task queue."""

    @abstractmethod
    def fairness(self, settings: Settings) -> Callable[[int | None, str | None], Fairness]:
        """Returns a function from company id and address to a fairness. Histories show the key, so it must not reveal
        the address."""

    @abstractmethod
    def address_key(self, address: str) -> str:
        """Normalises an address: two addresses with the same key are the same recipient. Raises `ValueError` with a
        sentence for people if it is not an address."""

    def server_of(self, address: str) -> str:
        """Returns the part of an address that names the server behind the provider, such as a mail domain. Empty: all
        addresses are at the same one."""
        return ""

    @abstractmethod
    def mask(self, address: str) -> str:
        """Returns the address as logs may show it."""

    @abstractmethod
    def admin_address(self, settings: Settings) -> str | None:
        """Returns the address that receives alerts. None: the channel sends no alerts."""

    @abstractmethod
    def resends_in_doubt(self, settings: Settings) -> bool:
        """Whether a message whose answer was lost is sent again. Only if recipients can recognise a copy."""

    @abstractmethod
    def provider_address(self, settings: Settings) -> str:
        """Returns where the provider is, for an alert. It contains no secret."""

    @abstractmethod
    def preview(self, renderer: Renderer, claim: Claim) -> dict[str, str]:
        """Returns the texts that a recipient would get, by file name."""

    @abstractmethod
    def open(self, settings: Settings, renderer: Renderer, connections: int) -> AbstractAsyncContextManager[Sender]:
        """Opens a sender with at most this many connections at a time."""


@dataclass(frozen=True)
class Receipt:
    """The provider took the message. `provider_id` is None if the sender chose the id (Message-ID). Both are made
    clean and cut here, for every channel."""

    provider_id: str | None
    reply: str

    def __post_init__(self) -> None:
        if self.provider_id is not None:
            object.__setattr__(self, "provider_id", clean_reply(self.provider_id))
        object.__setattr__(self, "reply", clean_reply(self.reply))


class NotHandedOver(Exception):
    """The provider certainly does not have the message.

    `reason` is a stable code. `reply` may hold a recipient's address and goes to the database only. It is made clean
    and cut here, for every channel.
    """

    def __init__(self, reason: str, reply: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reply = None if reply is None else clean_reply(reply)


class Rejected(NotHandedOver):
    """Refused for good: another attempt with the same recipient and text would be refused too."""


class RecipientGone(Rejected):
    """Refused for good because the address is gone: it must be suppressed."""


class TryAgain(NotHandedOver):
    """Worth another attempt, `after` this time if the provider gives one."""

    def __init__(self, reason: str, reply: str | None = None, after: timedelta | None = None) -> None:
        super().__init__(reason, reply)
        self.after = after


class OperatorFault(NotHandedOver):
    """The provider refuses our credentials or settings. It is not the recipient's fault, and retrying soon does not
    help."""


class RecipientMoved(NotHandedOver):
    """The recipient has a new address. It must be saved; the message can be sent there."""

    def __init__(self, reason: str, new_address: str, reply: str) -> None:
        super().__init__(reason, reply)
        self.new_address = new_address


class InDoubt(Exception):
    """The answer was lost: the provider may have taken the message."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
