"""The channels that the conformance suite runs for: each with a stand-in of its provider, and how that one refuses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, ClassVar

from pydantic import SecretStr

from channels.base import Channel, Plan
from channels.email.plan import EMAIL
from channels.registry import find_channel
from channels.telegram.plan import TELEGRAM
from local.stand_ins import telegram_answers
from local.stand_ins.http_server import Answer
from local.stand_ins.script import AcceptThenReset
from local.stand_ins.smtp_actions import Reply
from local.stand_ins.smtp_sink import SmtpSink
from local.stand_ins.stand_in import StandIn
from local.stand_ins.telegram_api import TelegramApi
from tests.sms_channel.plan import SMS
from tests.sms_channel.stand_in import SmsGateway
from tests.support.data import Platform

SMTP_USER = "notices"
SMTP_PASSWORD = "the mail account's password"  # noqa: S105 - of a stand-in
SMS_KEY = "the gateway's key"


@dataclass(frozen=True)
class Received:
    """What the stand-in has taken."""

    address: str
    text: str


class ChannelUnderTest(ABC):
    """One channel with its stand-in. What makes the provider answer otherwise returns the reason that a delivery gets.
    It lasts until `clear` unless it is said to happen once.
    """

    plan: ClassVar[Plan]
    address: ClassVar[str]
    """As people write it, which is not as it is compared."""
    other_address: ClassVar[str]
    nonsense: ClassVar[Sequence[str]]
    """What is no address."""
    away_reason: ClassVar[str]
    """Of an attempt at a provider that is away."""
    stand_in: StandIn[Any, Any, Any, Any]

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def channel(self) -> Channel:
        channel = find_channel(self.name)
        assert channel is not None, f"{self.name} is not registered"
        return channel

    @property
    def address_key(self) -> str:
        return self.channel.address_key(self.address)

    @property
    @abstractmethod
    def secret(self) -> str:
        """What the provider knows us by."""

    @property
    def settings(self) -> dict[str, object]:
        """What the application's settings need besides the scene's."""
        return {}

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a process with this channel needs besides the application's own settings."""
        return {}

    @abstractmethod
    def refuse_for_good(self) -> str:
        """Refuses the message or its recipient, who exists."""

    @abstractmethod
    def say_gone(self) -> str:
        """Says that there is no such recipient."""

    @abstractmethod
    def refuse_once(self) -> str:
        """Refuses one message for now."""

    @abstractmethod
    def refuse_us(self) -> str:
        """Refuses our credentials."""

    @abstractmethod
    def lose_an_answer(self) -> None:
        """Takes one message, and its answer gets lost."""

    @abstractmethod
    def received(self) -> list[Received]:
        """What was taken, in order."""

    @abstractmethod
    def arrivals(self) -> int:
        """How many messages have come, taken or refused."""

    def clear(self) -> None:
        """The provider takes everything again."""
        self.stand_in.clear()

    async def goes_away(self) -> None:
        """Stops the server."""
        await self.stand_in.stop()

    async def comes_back(self) -> None:
        await self.stand_in.start()

    async def company(self, platform: Platform) -> int:
        """A company that is reached on this channel only."""
        company_id = await platform.company(contact_email=None, telegram_chat_id=None)
        await self.contact(platform, company_id)
        return company_id

    async def contact(self, platform: Platform, company_id: int) -> None:
        """Gives a company its contact on this channel, which it has none or an empty one on."""
        await platform.execute(
            "DELETE FROM contacts WHERE company_id = :company_id AND channel = :channel",
            company_id=company_id,
            channel=self.name,
        )
        await platform.contact(company_id, self.name, self.address, address_key=self.address_key)


class EmailUnderTest(ChannelUnderTest):
    plan = EMAIL
    address = "Anna@customer.example"
    other_address = "berta@customer.example"
    nonsense = ("", "anna", "anna@", "anna@customer.example, berta@customer.example", "anna@customer.example\r\nTo: x")
    away_reason = "smtp_connect_failed"

    def __init__(self, sink: SmtpSink) -> None:
        """`sink` has to know `SMTP_USER`."""
        self.stand_in = self._sink = sink

    @property
    def secret(self) -> str:
        return SMTP_PASSWORD

    @property
    def settings(self) -> dict[str, object]:
        return {"smtp_username": SMTP_USER, "smtp_password": SecretStr(SMTP_PASSWORD)}

    def refuse_for_good(self) -> str:
        self._sink.always("rcpt", Reply(550, "5.2.2 mailbox full here"))
        return "smtp_rcpt_550"

    def say_gone(self) -> str:
        self._sink.always("rcpt", Reply(550, f"5.1.1 <{self.address}>: no such mailbox"))
        return "smtp_rcpt_550"

    def refuse_once(self) -> str:
        self._sink.on("rcpt", Reply(451, "4.7.1 greylisted"))
        return "smtp_rcpt_451"

    def refuse_us(self) -> str:
        self._sink.always("auth", Reply(535, "5.7.8 wrong credentials"))
        return "smtp_auth_535"

    def lose_an_answer(self) -> None:
        self._sink.on("dot", AcceptThenReset())

    def received(self) -> list[Received]:
        return [Received(mail.recipients[0], _plain_text(mail.message)) for mail in self._sink.messages]

    def arrivals(self) -> int:
        return self._sink.attempts("rcpt")


class TelegramUnderTest(ChannelUnderTest):
    plan = TELEGRAM
    address = "-1007700112233"
    other_address = "8811445566"
    nonsense = ("", "0", "anna", "@anna", "1.5", "9" * 20, "77\n")
    away_reason = "telegram_connect_error"

    def __init__(self, api: TelegramApi) -> None:
        self.stand_in = self._api = api

    @property
    def secret(self) -> str:
        return self._api.token

    def refuse_for_good(self) -> str:
        self._api.always("request", telegram_answers.bad_request("have no rights to send a message"))
        return "telegram_400"

    def say_gone(self) -> str:
        self._api.always("request", telegram_answers.kicked())
        return "telegram_kicked"

    def refuse_once(self) -> str:
        self._api.on("request", telegram_answers.server_error(502))
        return "telegram_502"

    def refuse_us(self) -> str:
        self._api.always("request", telegram_answers.unauthorized())
        self._api.always("get_me", telegram_answers.unauthorized())
        return "telegram_401"

    def lose_an_answer(self) -> None:
        self._api.on("request", AcceptThenReset())

    def received(self) -> list[Received]:
        return [Received(str(message.chat_id), message.text) for message in self._api.messages]

    def arrivals(self) -> int:
        return self._api.attempts("request")


class SmsUnderTest(ChannelUnderTest):
    plan = SMS
    address = "+49 30 1234567"
    other_address = "+49307654321"
    nonsense = ("", "112", "030 1234567", "+49 30 123456x", "+" + "1" * 16, "+49301234567\n")
    away_reason = "sms_not_connected"

    def __init__(self, gateway: SmsGateway) -> None:
        self.stand_in = self._gateway = gateway

    @property
    def secret(self) -> str:
        return SMS_KEY

    @property
    def environment(self) -> dict[str, str]:
        return {"SMS_API_URL": self._gateway.url, "SMS_KEY": SMS_KEY, "SMS_RETRY_INITIAL": "0.2"}

    def refuse_for_good(self) -> str:
        self._gateway.always("request", Answer(422, "not a mobile number"))
        return "sms_422"

    def say_gone(self) -> str:
        self._gateway.always("request", Answer(410, "no such number"))
        return "sms_number_gone"

    def refuse_once(self) -> str:
        self._gateway.on("request", Answer(503, "busy"))
        return "sms_503"

    def refuse_us(self) -> str:
        self._gateway.always("request", Answer(401, "who are you?"))
        self._gateway.always("balance", Answer(401, "who are you?"))
        return "sms_401"

    def lose_an_answer(self) -> None:
        self._gateway.on("request", AcceptThenReset())

    def received(self) -> list[Received]:
        return [Received(text.to, text.text) for text in self._gateway.messages]

    def arrivals(self) -> int:
        return self._gateway.attempts("request")


def _plain_text(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())
