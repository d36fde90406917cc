"""HTTP/1.1 for clients that may be slow, or hostile: a client that sends or reads too slowly is disconnected, and one
connection more than the limit takes the place of one that waits for its client.

uvicorn limits none of these: its `limit_concurrency` would refuse all requests while strangers hold connections open.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from api.problems import MEDIA_TYPE, members

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ConnectionLimits:
    """What clients may use of one API process."""

    connections: int
    seconds: float
    """In which a request must arrive, headers and body, from the connection or its first byte; and in which a client
    must read more of an answer."""


def bounded_protocol(limits: ConnectionLimits) -> type[BoundedProtocol]:
    """Returns the protocol with these limits, for `uvicorn.Config(http=...)`."""
    return type("LimitedProtocol", (BoundedProtocol,), {"limits": limits})


class BoundedProtocol(H11Protocol):
    """uvicorn's protocol with `limits`. One object for each connection."""

    limits: ClassVar[ConnectionLimits]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._request_timer: asyncio.TimerHandle | None = None
        self._reading_timer: asyncio.TimerHandle | None = None
        self.opened_at = 0.0
        self._has_sent = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self.opened_at = self.loop.time()
        self._request_timer = self.loop.call_later(self.limits.seconds, self._request_took_too_long)
        if len(self.connections) > self.limits.connections:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        self._has_sent = True
        super().data_received(data)
        if not self.waits_for_client():
            self._stop_request_timer()
        elif self._request_timer is None:
            self._request_timer = self.loop.call_later(self.limits.seconds, self._request_took_too_long)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._reading_timer is None:
            self._reading_timer = self.loop.call_later(self.limits.seconds, self._answer_not_read)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_reading_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_request_timer()
        super().connection_lost(exc)
        self._stop_reading_timer()

    def _stop_request_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _stop_reading_timer(self) -> None:
        if self._reading_timer is not None:
            self._reading_timer.cancel()
            self._reading_timer = None

    def waits_for_client(self) -> bool:
        """Whether the next step is the client's: it has not sent all of a request, or nothing yet."""
        return self.conn.their_state in (h11.IDLE, h11.SEND_BODY)

    def drop(self) -> None:
        """Closes the connection at once, and tells the app that its client is gone."""
        self._abandon()
        self.transport.abort()

    def _make_room(self) -> None:
        """Of the connections that wait for their client, closes the one that has been open longest. If all are being
        answered, refuses this one."""
        others = [each for each in self.connections if isinstance(each, BoundedProtocol) and each is not self]
        waiting = [each for each in others if each.waits_for_client() and not each.transport.is_closing()]
        if waiting:
            oldest = min(waiting, key=lambda each: each.opened_at)
            log.info("connection_dropped", reason="too_many", limit=self.limits.connections)
            oldest.drop()
        else:
            log.warning("connection_refused", limit=self.limits.connections)
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections: try again later.")

    def _request_took_too_long(self) -> None:
        self._request_timer = None
        log.info("connection_dropped", reason="slow_request")
        cycle = self._cycle()
        if self._has_sent and (cycle is None or cycle.response_complete or not cycle.response_started):
            self._answer(HTTPStatus.REQUEST_TIMEOUT, f"The request did not arrive within {self.limits.seconds:g} s.")
        self._abandon()
        self.transport.close()

    def _answer_not_read(self) -> None:
        self._reading_timer = None
        log.info("connection_dropped", reason="answer_not_read")
        self.drop()

    def _answer(self, status: HTTPStatus, detail: str) -> None:
        """Answers outside of the app, and closes the connection."""
        body = json.dumps(members(status, detail)).encode()
        headers = [("Content-Type", MEDIA_TYPE), ("Content-Length", str(len(body))), ("Connection", "close")]
        response = h11.Response(status_code=status, reason=status.phrase.encode(), headers=headers)
        try:
            for event in (response, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:
            pass  # the last answer has ended, and the body of its request has not: nothing more can be said
        self.transport.close()

    def _abandon(self) -> None:
        """Tells the app that its client is gone."""
        if (cycle := self._cycle()) is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()

    def _cycle(self) -> RequestResponseCycle | None:
        """The newest request. uvicorn declares it as never None, which it is before the first one."""
        return self.cycle
