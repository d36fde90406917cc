"""A small HTTP/1.1 server on h11 that can hang, drip and reset, which no HTTP library offers."""

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http.client import responses
from typing import cast
from urllib.parse import unquote

import h11

from local.stand_ins import tcp
from local.stand_ins.script import Hang, Reset

log = logging.getLogger(__name__)

BODY_LIMIT = 2**20


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response. A mapping or list is sent as JSON, text and bytes as they are."""

    status: int
    body: object = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        match self.body:
            case bytes():
                return self.body
            case str():
                return self.body.encode()
            case _:
                return json.dumps(self.body, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Drip:
    """Sends the answer one byte at a time, with `pause` seconds between bytes."""

    answer: Answer
    pause: float


Outcome = Answer | Drip | Hang | Reset
Handler = Callable[[Request], Awaitable[Outcome]]


class HttpConnection(asyncio.Protocol):
    """Serves one client, request after request. Drops a request when its client disconnects."""

    def __init__(
        self,
        handler: Handler,
        on_made: Callable[["HttpConnection"], None],
        on_lost: Callable[["HttpConnection"], None],
    ) -> None:
        self._handler = handler
        self._on_made = on_made
        self._on_lost = on_lost
        self._http = h11.Connection(h11.SERVER)
        self._method = self._path = ""
        self._body = bytearray()
        self._transport: asyncio.Transport
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._socket: socket.socket = transport.get_extra_info("socket")
        self._on_made(self)

    def connection_lost(self, error: Exception | None) -> None:
        if self.task is not None:
            self.task.cancel()
        self._on_lost(self)

    def data_received(self, data: bytes) -> None:
        self._http.receive_data(data)
        if self.task is None:
            self._read()

    def abort(self) -> None:
        """Resets the TCP connection."""
        tcp.reset(self._transport, self._socket)

    def _read(self) -> None:
        try:
            while True:
                match self._http.next_event():
                    case h11.Request() as head:
                        self._method = head.method.decode()
                        self._path = unquote(head.target.decode().partition("?")[0])
                        self._body.clear()
                        if self._http.they_are_waiting_for_100_continue:
                            proceed = h11.InformationalResponse(status_code=100, headers=[])
                            self._transport.write(self._http.send(proceed) or b"")
                    case h11.Data(data=data):
                        self._body += data
                        if len(self._body) > BODY_LIMIT:
                            self._write(Answer(413, {"ok": False, "error_code": 413}))
                            self._transport.close()
                            return
                    case h11.EndOfMessage():
                        self.task = asyncio.get_running_loop().create_task(self._serve())
                        return
                    case _:
                        return
        except h11.RemoteProtocolError as error:
            with contextlib.suppress(h11.LocalProtocolError):
                self._write(Answer(error.error_status_hint, "malformed request"))
            self._transport.close()

    async def _serve(self) -> None:
        try:
            outcome = await self._handler(Request(self._method, self._path, bytes(self._body)))
        except Exception:
            log.exception("request_handler_failed")
            outcome = Answer(500, "the stand-in failed")
        match outcome:
            case Answer() as answer:
                self._write(answer)
            case Drip(answer, pause):
                for byte in self._render(answer):
                    self._transport.write(bytes((byte,)))
                    await asyncio.sleep(pause)
            case Reset():
                self.abort()
                return
            case Hang():
                await asyncio.get_running_loop().create_future()
        self.task = None
        if self._http.our_state is h11.MUST_CLOSE:
            self._transport.close()
        else:
            self._http.start_next_cycle()
            self._read()

    def _write(self, answer: Answer) -> None:
        self._transport.write(self._render(answer))

    def _render(self, answer: Answer) -> bytes:
        body = answer.encoded()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **answer.headers}
        response = h11.Response(
            status_code=answer.status,
            headers=list(headers.items()),
            reason=responses.get(answer.status, ""),
        )
        parts = (response, h11.Data(data=body), h11.EndOfMessage())
        return b"".join(self._http.send(part) or b"" for part in parts)


class HttpServer(tcp.Server[HttpConnection]):
    """Answers each request with what `handler` returns for it."""

    def __init__(self, handler: Handler) -> None:
        super().__init__()
        self._handler = handler

    async def start(self, host: str, port: int) -> int:
        """Listens, and returns the port. See `listen`."""
        connection = partial(HttpConnection, self._handler, self.connections.add, self.connections.discard)
        return await self.listen(connection, host, port)
