"""Logs one line for each request and measures it, with fields that this application chooses.

No line holds a path, a query string or a header: a path may hold the token of an unsubscribe link, and each of them may
hold anything. The route says which resource was asked for, and `key` who asked: the name of the caller's key.
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPMethod
from time import perf_counter

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from temporalio.common import MetricMeter

from activities.metrics import API_REQUESTS
from api.authentication import KEY_NAME

LONGEST_CLIENT = 45
"""Characters of an IPv6 address. A proxy may send us more than an address."""
_METHODS = frozenset(HTTPMethod)

log = structlog.get_logger(__name__)


class LogRequests:
    """ASGI middleware around the whole app: logs `request` once the request is answered, or `request_aborted` if the
    client went away before it had sent its body. That is not our error, so it has no traceback."""

    def __init__(self, app: ASGIApp, meter: MetricMeter = MetricMeter.noop) -> None:
        self._app = app
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status: int | None = None
        complete = aborted = False

        async def watched_receive() -> Message:
            nonlocal complete, aborted
            message = await receive()
            if message["type"] == "http.disconnect":
                aborted = not complete
            else:
                complete = complete or not message.get("more_body", False)
            return message

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = perf_counter()
        try:
            await self._app(scope, watched_receive, watched_send)
        except ClientDisconnect:
            aborted = True
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = getattr(scope.get("route"), "path", None)
            seconds = perf_counter() - began
            log.info(
                "request_aborted" if aborted else "request",
                method=method,
                route=route,
                status=None if aborted else status,
                key=scope.get("state", {}).get(KEY_NAME),
                client=str((scope.get("client") or [None])[0])[:LONGEST_CLIENT],
                seconds=round(seconds, 4),
            )
            API_REQUESTS.record(
                self._meter,
                timedelta(seconds=seconds),
                route=route or "none",
                method=method,
                status="aborted" if aborted or status is None else str(status),
            )
