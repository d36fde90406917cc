"""The part of Telegram's Bot API that the application uses. It keeps what it accepts and fails as scripted."""

import json
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from local.stand_ins import telegram_answers as answers
from local.stand_ins.http_server import Answer, Drip, Outcome, Request
from local.stand_ins.http_stand_in import HttpStandIn
from local.stand_ins.script import AcceptThenReset, Hang, Reset
from local.stand_ins.telegram_answers import SlowDrip, TelegramAction
from local.stand_ins.telegram_entities import EntityError, plain_text
from local.stand_ins.telegram_limits import SendingLimits

Stage = Literal["request", "reply", "get_me"]
"""`request`: a sendMessage has arrived and is not kept yet. `reply`: it is kept and not answered yet."""

PATH = re.compile(r"/bot(?P<token>[^/]+)/(?P<method>\w+)")
WELL_FORMED_TOKEN = re.compile(r"\d{6,12}:[A-Za-z0-9_-]{35}")
CHAT_NUMBER = re.compile(r"-?\d+")
TEXT_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message that the API accepted, even if the client did not get the answer. `text` is as sent."""

    message_id: int
    chat_id: int | str
    text: str
    parse_mode: str | None
    accepted_at: datetime


class TelegramApi(HttpStandIn[Stage, int | str, TelegramAction, ReceivedMessage]):
    """Where TELEGRAM_API_URL should point: `url`.

    Without a token it makes one. A new value of `token` revokes the old one. `chats` are the known chats; by default
    every chat is known. `limits` turns flood control on. `pages` are further paths: each answers with the JSON of what
    its function returns.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        token: str | None = None,
        chats: Collection[int | str] | None = None,
        limits: SendingLimits | None = None,
        last_message_id: int = 0,
        keep: bool = True,
        on_accept: Callable[[ReceivedMessage], None] | None = None,
        pages: Mapping[str, Callable[[], object]] | None = None,
    ) -> None:
        super().__init__(port, keep, on_accept)
        self.token = token or f"{10**9 + secrets.randbelow(10**9)}:{secrets.token_hex(18)[:35]}"
        self._chats = None if chats is None else {str(chat) for chat in chats}
        self._limits = limits
        self._last_message_id = last_message_id
        self._pages = pages or {}

    def to(self, recipient: int | str) -> list[ReceivedMessage]:
        return [message for message in self.messages if str(message.chat_id) == str(recipient)]

    def _check(self, stage: Stage, recipient: int | str | None, actions: Iterable[TelegramAction]) -> None:
        if stage not in get_args(Stage):
            raise ValueError(f"no such stage: {stage}")
        if recipient is not None and stage == "get_me":
            raise ValueError("get_me concerns no chat")
        if stage != "request" and any(isinstance(action, AcceptThenReset) for action in actions):
            raise ValueError("AcceptThenReset belongs to stage request")

    async def _answer(self, request: Request) -> Outcome:
        if page := self._pages.get(request.path):
            return Answer(200, page())
        path = PATH.fullmatch(request.path)
        if path is None or not WELL_FORMED_TOKEN.fullmatch(path["token"]):
            return answers.not_found()
        if path["token"] != self.token:
            return answers.unauthorized()
        match path["method"].lower():
            case "getme":
                return _carry_out(await self._script.arrive("get_me"), answers.success(self._bot()))
            case "sendmessage" if request.method == "POST":
                return await self._send_message(request.body)
        return answers.not_found()

    async def _send_message(self, body: bytes) -> Outcome:
        try:
            fields = json.loads(body or b"{}")
        except ValueError:
            return answers.bad_request("can't parse JSON object")
        if not isinstance(fields, dict):
            return answers.bad_request("expected an object as the request")
        chat = str(fields.get("chat_id", ""))
        first = await self._script.arrive("request", (chat,))
        if isinstance(first, Answer | Hang | Reset):
            return first
        answer = self._accept(chat, fields)
        if answer.status != 200:
            return answer
        then = await self._script.arrive("reply", (chat,))
        return _carry_out(first if then is None else then, answer)

    def _accept(self, chat: str, fields: dict[str, object]) -> Answer:
        """Keeps the message or returns the error. It checks in the same order as Telegram."""
        text, parse_mode = fields.get("text"), fields.get("parse_mode")
        if not isinstance(text, str) or not text:
            return answers.bad_request("message text is empty")
        try:
            text.encode()
            plain = plain_text(text, str(parse_mode) if parse_mode else None).strip()
        except UnicodeEncodeError:
            return answers.bad_request("strings must be encoded in UTF-8")
        except EntityError as error:
            return answers.bad_request(str(error))
        if not plain:
            return answers.bad_request("text must be non-empty")
        if not chat:
            return answers.bad_request("chat_id is empty")
        if self._chats is not None and chat not in self._chats:
            return answers.chat_not_found()
        if len(plain) > TEXT_LIMIT:
            return answers.bad_request("message is too long")
        if self._limits and (wait := self._limits.take(chat)):
            return answers.too_many_requests(wait)
        self._last_message_id += 1
        chat_id = int(chat) if CHAT_NUMBER.fullmatch(chat) else chat
        now = datetime.now(UTC)
        mode = str(parse_mode) if parse_mode else None
        self._keep(ReceivedMessage(self._last_message_id, chat_id, text, mode, now))
        return answers.success(
            {
                "message_id": self._last_message_id,
                "from": self._bot(),
                "chat": {"id": chat_id, "type": _chat_type(chat)},
                "date": int(now.timestamp()),
                "text": plain,
            }
        )

    def _bot(self) -> dict[str, object]:
        number = int(self.token.partition(":")[0])
        return {"id": number, "is_bot": True, "first_name": "Stand-in", "username": "stand_in_bot"}


def _carry_out(action: TelegramAction | None, normal: Answer) -> Outcome:
    match action:
        case Answer() | Hang() | Reset():
            return action
        case AcceptThenReset():
            return Reset()
        case SlowDrip(pause):
            return Drip(normal, pause)
        case _:
            return normal


def _chat_type(chat: str) -> str:
    if chat.startswith("@"):
        return "channel"
    if chat.startswith("-100"):
        return "supergroup"
    return "group" if chat.startswith("-") else "private"
