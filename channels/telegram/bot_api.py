"""Sends one message by Telegram's Bot API (https://core.telegram.org/bots/api#sendmessage).

The bot's token is part of the URL. So no exception of httpx leaves this module: its text would reveal the token in logs
and histories.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import httpx
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, ValidatorFunctionWrapHandler, field_validator
from socksio.exceptions import SOCKSError

from channels.base import InDoubt, OperatorFault, Receipt, TryAgain
from channels.telegram.replies import NoAnswer, Parameters, outcome, outcome_of_page, without_answer
from channels.telegram.socks_setup import SETUP_WITHIN, SocksSetup
from runtime.cleaning import clean_reply
from runtime.http_client import new_http_client

WRITING = "http11.send_request_headers.started"
"""httpx's trace event before the first byte of a request, once the connection is open
(https://www.python-httpx.org/advanced/extensions/#trace)."""
LONGEST_ANSWER = 1_000_000
"""Bytes that are read of an answer. The longest message with all its entities takes a tenth of it."""
_AS_IT_IS = {"Accept-Encoding": "identity"}
"""A compressed answer could be a thousand times longer than what is read of it."""


def new_client(connections: int, proxy: str | None = None) -> httpx.AsyncClient:
    """Creates the client for all messages of a worker, with a timeout for each phase. The attempt limits the whole,
    because an answer that arrives byte by byte never exceeds the timeout of a single read. Raises as `new_http_client`
    does."""
    connect = 10 if proxy is None else SETUP_WITHIN
    return new_http_client(httpx.Timeout(connect=connect, write=10, read=30, pool=10), connections, proxy=proxy)


class _Message(BaseModel):
    message_id: int = Field(strict=True, ge=-(2**63), lt=2**63)


class _Bot(BaseModel):
    is_bot: bool


class _Success(BaseModel):
    """https://core.telegram.org/bots/api#making-requests"""

    ok: Literal[True]
    result: _Message | _Bot | None = None


class _Refusal(BaseModel):
    """https://core.telegram.org/bots/api#making-requests"""

    ok: Literal[False]
    error_code: int = Field(strict=True, ge=300, lt=600)
    description: str = Field(strict=True)
    parameters: Parameters = Parameters()

    @field_validator("parameters", mode="wrap")
    @classmethod
    def _none_if_absurd(cls, value: object, validate: ValidatorFunctionWrapHandler) -> Parameters:
        """Ignores parameters of another form: the description still counts."""
        try:
            return Parameters.model_validate(validate(value))
        except ValidationError:
            return Parameters()


_ANSWER: TypeAdapter[_Success | _Refusal] = TypeAdapter(_Success | _Refusal)


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
    setup = SocksSetup()

    async def before_writing(event: str, details: Mapping[str, Any]) -> None:
        nonlocal written
        await setup.watch(event, details)
        if event == WRITING and details["request"].method == b"POST":  # not a proxy's CONNECT
            await before_handover()
            written = True

    try:
        async with client.stream(
            "POST",
            f"{api_url.rstrip('/')}/bot{token}/sendMessage",
            headers=_AS_IT_IS,
            json={
                "chat_id": chat_id,
                "text": text,
                "parse_mode": "HTML",
                "link_preview_options": {"is_disabled": True},
            },
            extensions={"trace": before_writing},
        ) as response:
            body = await _read(response)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise OperatorFault("telegram_token_malformed") from None
    except SOCKSError:
        raise without_answer(NoAnswer.NOT_CONNECTED, "proxy_error") from None
    except httpx.HTTPError as error:
        raise without_answer(NoAnswer.LOST if written else NoAnswer.NOT_CONNECTED, _snake(error)) from None
    return _receipt(response.status_code, body)


async def get_me(client: httpx.AsyncClient, api_url: str, token: str) -> None:
    """Asks which bot the token belongs to (https://core.telegram.org/bots/api#getme). Sends no message.

    Raises the outcome of the answer, as in `replies`; `TryAgain` if there is no answer, or one that is not Telegram's.
    """
    try:
        async with client.stream(
            "GET",
            f"{api_url.rstrip('/')}/bot{token}/getMe",
            headers=_AS_IT_IS,
            extensions={"trace": SocksSetup().watch},
        ) as response:
            body = await _read(response)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise OperatorFault("telegram_token_malformed") from None
    except SOCKSError:
        raise TryAgain("telegram_proxy_error") from None
    except httpx.HTTPError as error:
        raise TryAgain(f"telegram_{_snake(error)}") from None
    try:
        bot = _result(response.status_code, body)
    except InDoubt:
        bot = None
    if not isinstance(bot, _Bot):
        raise TryAgain("telegram_unreadable_answer")


async def _read(response: httpx.Response) -> bytes:
    """Reads at most `LONGEST_ANSWER` bytes of the body, and a few more."""
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > LONGEST_ANSWER:
            break
    return bytes(body)


def _receipt(status: int, body: bytes) -> Receipt:
    result = _result(status, body)
    if not isinstance(result, _Message):
        raise without_answer(NoAnswer.UNREADABLE, "unreadable_answer")
    return Receipt(str(result.message_id), f"{status} ok")


def _result(status: int, body: bytes) -> _Message | _Bot | None:
    """Returns the result of a method. Raises the outcome of a refusal."""
    answer = _parse(body)
    if isinstance(answer, _Refusal):
        raise outcome(answer.error_code, clean_reply(answer.description), answer.parameters)
    if httpx.codes.is_success(status):
        if answer is None:  # something on the way may have replaced Telegram's answer
            raise without_answer(NoAnswer.UNREADABLE, "unreadable_answer")
        return answer.result
    if answer is not None:
        raise without_answer(NoAnswer.UNREADABLE, f"ok_with_{status}")
    raise outcome_of_page(status)


def _parse(body: bytes) -> _Success | _Refusal | None:
    """Returns the answer. None: it is not one of the Bot API. Text that is not UTF-8 does not make it unreadable."""
    try:
        answer = json.loads(body.decode("utf-8", "replace"))
        if not isinstance(answer, dict) or not isinstance(answer.get("ok"), bool):
            return None
        return _ANSWER.validate_python(answer)
    except (ValueError, RecursionError):  # ValidationError and JSONDecodeError are ValueErrors
        return None


def _snake(error: Exception) -> str:
    """Returns `ReadTimeout` as `read_timeout`."""
    name = type(error).__name__
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
