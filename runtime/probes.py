"""Answers the probes of whoever runs this process, such as Kubernetes, from the process's own event loop.

An event loop that hangs answers nothing. A port that another thread serves, such as that of the SDK's metrics, would
still answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

import structlog

from runtime.listening import listen
from runtime.probing import NoAnswerInTime, answer_within

CHECK_SECONDS = 4.0
"""For the whole check of `/readyz`."""
REQUEST_SECONDS = 5.0
REQUEST_BYTES = 8192
SILENT_CONNECTIONS = 16
"""Clients at a time that have not sent their request. One more closes the oldest of them."""
CONNECTIONS = 64
"""At a time, with those that are being answered. One more is closed at once."""

log = structlog.get_logger(__name__)


class NotReady(Exception):
    """The process cannot do its work now. The message says why in one line."""


class Probes:
    """`/livez` is 200 while the event loop runs; `/readyz` is 200 while the process can do its work, else 503 with the
    reason. Neither needs a key or says more than that."""

    def __init__(self, request_seconds: float = REQUEST_SECONDS) -> None:
        self._request_seconds = request_seconds
        self._why = "starting"
        self._check: Callable[[], Awaitable[None]] | None = None
        self._current: asyncio.Task[str] | None = None
        self._open = 0
        self._silent: dict[asyncio.StreamWriter, None] = {}  # the oldest first

    def ready_if(self, check: Callable[[], Awaitable[None]]) -> None:
        """From now on `/readyz` asks `check`, which raises `NotReady` or any other error if the work cannot be done.
        Requests at the same time share one call."""
        self._check = check

    def not_ready(self, why: str) -> None:
        """From now on `/readyz` is 503 with this reason."""
        self._why, self._check = why, None

    @asynccontextmanager
    async def serving(self, address: str | None) -> AsyncIterator[None]:
        """Answers on `host:port` during the block; without an address it does nothing. Raises `ListenError`."""
        if address is None:
            yield
            return
        listener = listen(address)
        server = await asyncio.start_server(self._connected, sock=listener, limit=REQUEST_BYTES)
        host, port = listener.getsockname()[:2]
        log.info("probes_ready", host=host, port=port)
        try:
            yield
        finally:
            server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= CONNECTIONS:
                # A client that sends or reads nothing is left alone with it.
                with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                    async with asyncio.timeout(self._request_seconds + CHECK_SECONDS):
                        writer.write(await self._answer(reader, writer))
                        await writer.drain()
        finally:
            self._open -= 1
            writer.close()

    async def _head(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        if len(self._silent) >= SILENT_CONNECTIONS:
            oldest = next(iter(self._silent))
            del self._silent[oldest]
            oldest.transport.abort()
        self._silent[writer] = None
        try:
            async with asyncio.timeout(self._request_seconds):
                return await reader.readuntil(b"\r\n\r\n")
        finally:
            self._silent.pop(writer, None)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        try:
            head = await self._head(reader, writer)
        except asyncio.LimitOverrunError:
            return _response(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        method, _, rest = head.partition(b"\r\n")[0].partition(b" ")
        target, _, version = rest.partition(b" ")
        if not version.startswith(b"HTTP/1."):
            return _response(HTTPStatus.BAD_REQUEST)
        if method not in (b"GET", b"HEAD"):
            return _response(HTTPStatus.METHOD_NOT_ALLOWED)
        match target.partition(b"?")[0]:
            case b"/livez":
                return _response(HTTPStatus.OK, "ok", with_body=method == b"GET")
            case b"/readyz":
                why = await asyncio.shield(self._asked())
                status = HTTPStatus.SERVICE_UNAVAILABLE if why else HTTPStatus.OK
                return _response(status, why or "ok", with_body=method == b"GET")
            case _:
                return _response(HTTPStatus.NOT_FOUND)

    def _asked(self) -> asyncio.Task[str]:
        if self._current is None or self._current.done():
            self._current = asyncio.create_task(self._why_not_ready())
        return self._current

    async def _why_not_ready(self) -> str:
        if self._check is None:
            return self._why
        try:
            await answer_within(CHECK_SECONDS, self._check)
        except NotReady as error:
            why = str(error)
        except NoAnswerInTime:
            why = "no answer in time"
        except Exception as error:  # noqa: BLE001 - whatever the check meets, the process cannot do its work
            why = type(error).__name__  # its text may name the database's user
        else:
            return ""
        log.warning("not_ready", reason=why)
        return why


def _response(status: HTTPStatus, text: str = "", *, with_body: bool = True) -> bytes:
    body = f"{text or status.phrase}\n".encode()
    allow = "Allow: GET, HEAD\r\n" if status is HTTPStatus.METHOD_NOT_ALLOWED else ""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n{allow}Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (body if with_body else b"")
