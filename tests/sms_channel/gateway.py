"""Handing one text to the SMS gateway: `POST /messages`, answered with the message's id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx

from channels.base import InDoubt, OperatorFault, Receipt, RecipientGone, Rejected, TryAgain

WRITING = "http11.send_request_headers.started"


async def send(
    client: httpx.AsyncClient,
    url: str,
    key: str,
    number: str,
    text: str,
    before_handover: Callable[[], Awaitable[None]],
) -> Receipt:
    """`before_handover` is awaited just before the request is written. Raises `NotHandedOver` and `InDoubt`."""
    written = False

    async def before_writing(event: str, _details: Mapping[str, Any]) -> None:
        nonlocal written
        if event == WRITING:
            await before_handover()
            written = True

    try:
        response = await client.post(
            f"{url}/messages",
            json={"to": number, "text": text},
            headers={"Authorization": f"Bearer {key}"},
            extensions={"trace": before_writing},
        )
    except httpx.HTTPError:
        raise InDoubt("sms_answer_lost") if written else TryAgain("sms_not_connected") from None
    return _receipt(response)


async def ask_for_balance(client: httpx.AsyncClient, url: str, key: str) -> None:
    """Sends nothing. Raises as `send` does."""
    try:
        response = await client.get(f"{url}/balance", headers={"Authorization": f"Bearer {key}"})
    except httpx.HTTPError:
        raise TryAgain("sms_not_connected") from None
    _refuse(response)


def _receipt(response: httpx.Response) -> Receipt:
    _refuse(response)
    return Receipt(str(response.json()["id"]), f"{response.status_code} ok")


def _refuse(response: httpx.Response) -> None:
    reply = f"{response.status_code} {response.text[:200]}"
    match response.status_code:
        case 200 | 202:
            return
        case 401 | 403:
            raise OperatorFault(f"sms_{response.status_code}", reply)
        case 410:
            raise RecipientGone("sms_number_gone", reply)
        case 429 | 500 | 502 | 503:
            raise TryAgain(f"sms_{response.status_code}", reply)
        case _:
            raise Rejected(f"sms_{response.status_code}", reply)
