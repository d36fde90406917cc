"""Sends one message by Telegram's Bot API (https://core.telegram.org/bots/api#sendmessage).

The bot's token is part of the URL. So no exception of httpx leaves this module: its text would reveal the token in logs
and histories.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
from pydantic import BaseModel, ValidationError

from channels.base import InDoubt, OperatorFault, Receipt, TryAgain
from channels.telegram.replies import NoAnswer, Parameters, outcome, without_answer

WRITING = "http11.send_request_headers.started"
"""httpx's trace event before the first byte of a request, once the connection is open
(https://www.python-httpx.org/advanced/extensions/#trace)."""


def new_client(connections: int) -> httpx.AsyncClient:
    """Creates the client for all messages of a worker, with a timeout for each phase. The attempt limits the whole,
    because an answer that arrives byte by byte never exceeds the timeout of a single read."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(connect=10, write=10, read=30, pool=10),
        limits=httpx.Limits(max_connections=connections),
        follow_redirects=False,
    )


class _Message(BaseModel):
    message_id: int


class _Bot(BaseModel):
    is_bot: bool


class _Answer(BaseModel):
    """https://core.telegram.org/bots/api#making-requests"""

    ok: bool
    result: _Message | _Bot | None = None
    description: str = ""
    parameters: Parameters = Parameters()


async def send(
    client: httpx.AsyncClient,
    api_url: str,
    token: str,
    chat_id: int,
    text: str,
    before_handover: Callable[[], Awaitable[None]],
) -> Receipt:
    """Hands over one HTML message. Calls `before_handover` just before the request is written.

    Raises the outcome of the answer, as in `replies`. Telegram has no idempotency key: a second call sends a second
    message.
    """

    written = False

    async def before_writing(event: str, details: Mapping[str, Any]) -> None:
        nonlocal written
        if event == WRITING and details["request"].method == b"POST":  # not a proxy's CONNECT
            await before_handover()
            written = True

    try:
        response = await client.post(
            f"{api_url.rstrip('/')}/bot{token}/sendMessage",
            json={
                "chat_id": chat_id,
                "text": text,
                "parse_mode": "HTML",
                "link_preview_options": {"is_disabled": True},
            },
            extensions={"trace": before_writing},
        )
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise OperatorFault("telegram_token_malformed") from None
    except httpx.HTTPError as error:
        raise without_answer(NoAnswer.LOST if written else NoAnswer.NOT_CONNECTED, _snake(error)) from None
    return _receipt(response)


async def get_me(client: httpx.AsyncClient, api_url: str, token: str) -> None:
    """Asks which bot the token belongs to (https://core.telegram.org/bots/api#getme). Sends no message.

    Raises the outcome of the answer, as in `replies`; `TryAgain` if there is no answer, or one that is not Telegram's.
    """
    try:
        response = await client.get(f"{api_url.rstrip('/')}/bot{token}/getMe")
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise OperatorFault("telegram_token_malformed") from None
    except httpx.HTTPError as error:
        raise TryAgain(f"telegram_{_snake(error)}") from None
    try:
        bot = _result(response)
    except InDoubt:
        bot = None
    if not isinstance(bot, _Bot):
        raise TryAgain("telegram_unreadable_answer")


def _receipt(response: httpx.Response) -> Receipt:
    result = _result(response)
    if not isinstance(result, _Message):
        raise without_answer(NoAnswer.UNREADABLE, "unreadable_answer")
    return Receipt(str(result.message_id), f"{response.status_code} ok")


def _result(response: httpx.Response) -> _Message | _Bot | None:
    """Returns the result of a method. Raises the outcome of a refusal."""
    try:
        answer = _Answer.model_validate_json(response.content)
    except ValidationError:
        if response.is_success:
            raise without_answer(NoAnswer.UNREADABLE, "unreadable_answer") from None
        answer = _Answer(ok=False)
    if response.is_success and answer.ok:
        return answer.result
    raise outcome(response.status_code, answer.description, answer.parameters)


def _snake(error: Exception) -> str:
    """Returns `ReadTimeout` as `read_timeout`."""
    name = type(error).__name__
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
