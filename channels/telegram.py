"""Sending one message through Telegram's Bot API (https://core.telegram.org/bots/api#sendmessage).

The bot's token is part of the URL. So no exception of httpx leaves this module: its text would carry the token
into logs and histories.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx
from pydantic import BaseModel, ValidationError

from channels.results import (
    InDoubt,
    NotHandedOver,
    OperatorFault,
    Receipt,
    RecipientMoved,
    Rejected,
    TryAgain,
)

LONGEST_RETRY_AFTER = timedelta(hours=1)
"""A longer retry_after is taken for a mistake of the provider's."""

_CHAT_GONE = {
    "bot was blocked by the user": "telegram_blocked",
    "user is deactivated": "telegram_deactivated",
    "bot was kicked": "telegram_kicked",
    "the group chat was deleted": "telegram_chat_deleted",
    "chat not found": "telegram_chat_not_found",
}
"""Permanent: part of the description, in lower case, and the reason it stands for."""


class Parameters(BaseModel):
    retry_after: float | None = None
    migrate_to_chat_id: int | None = None


class _Message(BaseModel):
    message_id: int


class _Answer(BaseModel):
    """https://core.telegram.org/bots/api#making-requests"""

    ok: bool
    result: _Message | None = None
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
    """Hands over one HTML message; `before_handover` is awaited just before the request is written.

    Raises `Rejected`, `TryAgain`, `OperatorFault`, `RecipientMoved`, or `InDoubt` if the request may have been
    written and no answer came. Telegram knows no idempotency key: a second call is a second message.
    """
    await before_handover()
    try:
        response = await client.post(
            f"{api_url.rstrip('/')}/bot{token}/sendMessage",
            json={
                "chat_id": chat_id,
                "text": text,
                "parse_mode": "HTML",
                "link_preview_options": {"is_disabled": True},
            },
        )
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise TryAgain(f"telegram_{_snake(error)}") from None
    except httpx.InvalidURL:
        raise OperatorFault("telegram_token_malformed") from None
    except httpx.HTTPError as error:
        raise InDoubt(f"telegram_{_snake(error)}") from None
    return _receipt(response)


def _receipt(response: httpx.Response) -> Receipt:
    try:
        answer = _Answer.model_validate_json(response.content)
    except ValidationError:
        if response.is_success:
            raise InDoubt("telegram_unreadable_answer") from None
        answer = _Answer(ok=False)
    if response.is_success and answer.ok:
        if answer.result is None:
            raise InDoubt("telegram_unreadable_answer")
        return Receipt(str(answer.result.message_id), f"{response.status_code} ok")
    raise verdict(response.status_code, answer.description, answer.parameters)


def verdict(status: int, description: str, parameters: Parameters) -> NotHandedOver:
    """The exception that an answer other than success stands for."""
    reply = f"{status} {description}".strip()
    if parameters.migrate_to_chat_id is not None:
        return RecipientMoved(parameters.migrate_to_chat_id, reply)
    if status == 429:
        seconds = parameters.retry_after
        known = seconds is not None and 0 <= seconds <= LONGEST_RETRY_AFTER.total_seconds()
        return TryAgain("telegram_429", reply, timedelta(seconds=seconds or 0) if known else None)
    if status in (401, 404):
        return OperatorFault(f"telegram_{status}", reply)
    if 400 <= status < 500:
        gone = (reason for part, reason in _CHAT_GONE.items() if part in description.lower())
        return Rejected(next(gone, f"telegram_{status}"), reply)
    return TryAgain(f"telegram_{status}", reply)


def _snake(error: Exception) -> str:
    """`ReadTimeout` as `read_timeout`."""
    name = type(error).__name__
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
