"""Limits the size of a request's body. FastAPI's own limit answers with a 413 that is not a problem document."""

from __future__ import annotations

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 2**20
"""The longest valid test notification, with every character escaped in JSON, has two thirds of this size."""


class LimitBody:
    """ASGI middleware: raises a 413 inside the app when it reads more than MAX_BODY_BYTES."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > MAX_BODY_BYTES:
                raise HTTPException(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body has more than {MAX_BODY_BYTES} bytes."
                )
            return message

        await self._app(scope, limited, send)
