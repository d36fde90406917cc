"""The SMS gateway that tests send to: keeps what it accepts, fails as scripted."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from local.stand_ins.http_server import Answer, Outcome, Request
from local.stand_ins.http_stand_in import HttpStandIn
from local.stand_ins.script import AcceptThenReset, Hang, Proceed, Reset

Stage = Literal["request", "balance"]
SmsAction = Answer | Hang | Reset | AcceptThenReset | Proceed


@dataclass(frozen=True, slots=True)
class ReceivedText:
    id: int
    to: str
    text: str


class SmsGateway(HttpStandIn[Stage, str, SmsAction, ReceivedText]):
    """Where SMS_API_URL should point: `url`."""

    def __init__(self, *, port: int = 0) -> None:
        super().__init__(port, keep=True, on_accept=None)

    def to(self, recipient: str) -> list[ReceivedText]:
        return [message for message in self.messages if message.to == recipient]

    def _check(self, stage: Stage, recipient: str | None, actions: Iterable[SmsAction]) -> None:
        if stage not in get_args(Stage):
            raise ValueError(f"no such stage: {stage}")

    async def _answer(self, request: Request) -> Outcome:
        if request.path == "/balance":
            action = await self._script.arrive("balance")
            return action if isinstance(action, Answer) else Answer(200, {"balance": 100})
        fields = json.loads(request.body)
        action = await self._script.arrive("request", (fields["to"],))
        if isinstance(action, Answer | Hang | Reset):
            return action
        text = ReceivedText(len(self.messages) + 1, fields["to"], fields["text"])
        self._keep(text)
        return Reset() if isinstance(action, AcceptThenReset) else Answer(202, {"id": text.id})
