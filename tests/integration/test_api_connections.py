"""The API and clients that are slow, silent or too many: real sockets against `python -m api`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.support.api_process import AWAY, Running, running
from tests.support.calling_api import black_hole
from tests.support.settings_for import API_KEY

HALF_OPEN = 900
HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
HEADERS_BEGIN = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Pad"
KEY = f"X-API-Key: {API_KEY}\r\n".encode()
BODY_BEGINS_WITHOUT_KEY = (
    b"POST /projects/p/renew HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
)
BODY_BEGINS = BODY_BEGINS_WITHOUT_KEY.replace(b"Host: x\r\n", b"Host: x\r\n" + KEY)

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(api: Running, sent: bytes) -> Connection:
    url = httpx.URL(api.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(sent)
    await writer.drain()
    return reader, writer


@asynccontextmanager
async def half_open(api: Running, count: int, sent: Sequence[bytes]) -> AsyncIterator[list[Connection]]:
    connections = [await connect(api, sent[number % len(sent)]) for number in range(count)]
    try:
        yield connections
    finally:
        for _, writer in connections:
            writer.transport.abort()


async def everything(reader: asyncio.StreamReader) -> bytes:
    """What the server sends until it closes the connection."""
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


async def test_hundreds_of_half_open_requests_keep_nobody_out() -> None:
    async with running(**AWAY, API_KEYS=API_KEY, API_MAX_CONNECTIONS="200") as api:
        sent = (b"", b"G", HEADERS_BEGIN, BODY_BEGINS, BODY_BEGINS_WITHOUT_KEY)
        async with half_open(api, HALF_OPEN, sent) as connections, httpx.AsyncClient(base_url=api.url) as http:
            assert (await http.get("/healthz")).status_code == 200
            # At most the limit is kept, so the server has closed all others already.
            await asyncio.gather(*(everything(reader) for reader, _ in connections[: HALF_OPEN - 200]))
            assert (await http.get("/healthz")).status_code == 200
            assert "Traceback" not in api.process.output()


@pytest.mark.parametrize(
    ("sent", "answers"),
    [
        (b"", []),
        (HEADERS_BEGIN, [408]),
        (BODY_BEGINS, [408]),
        (BODY_BEGINS_WITHOUT_KEY, [401]),
    ],
)
async def test_a_client_that_does_not_finish_its_request_is_disconnected(sent: bytes, answers: list[int]) -> None:
    async with running(**AWAY, API_KEYS=API_KEY, API_REQUEST_TIMEOUT="0.5") as api:
        reader, writer = await connect(api, sent)
        answer = await everything(reader)
        writer.close()
        await api.process.wait_for_line('"slow_request"', '"request"')
        log = api.process.output()
    assert [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]] == answers
    if answers[-1:] == [408]:
        assert json.loads(answer.rpartition(b"\r\n\r\n")[2])["status"] == 408
        assert b"application/problem+json" in answer
    assert "Traceback" not in log


@pytest.mark.parametrize("sent", [HEADERS_BEGIN, BODY_BEGINS, BODY_BEGINS_WITHOUT_KEY])
async def test_a_byte_now_and_then_gains_no_time(sent: bytes) -> None:
    async with running(**AWAY, API_KEYS=API_KEY, API_REQUEST_TIMEOUT="1") as api:
        reader, writer = await connect(api, sent)

        async def drip() -> None:
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        await everything(reader)
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)
        writer.transport.abort()


async def test_a_client_that_reads_no_answer_is_disconnected() -> None:
    async with running(**AWAY, API_KEYS=API_KEY, API_REQUEST_TIMEOUT="0.5") as api:
        request = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        reader, writer = await connect(api, b"")
        reader._transport.pause_reading()  # type: ignore[attr-defined] # nothing public stops a reader's reading
        writer.write(request * 2000)
        await api.process.wait_for_line('"answer_not_read"')
        writer.transport.abort()


async def test_a_second_request_on_a_connection_has_a_limit_of_its_own() -> None:
    async with running(**AWAY, API_KEYS=API_KEY, API_REQUEST_TIMEOUT="0.5") as api:
        reader, writer = await connect(api, HEALTHZ)
        await reader.readuntil(b'{"status":"ok"}')
        writer.write(HEADERS_BEGIN)
        assert (await everything(reader)).startswith(b"HTTP/1.1 408 ")
        writer.close()


async def test_when_all_connections_are_being_answered_the_next_is_refused() -> None:
    with black_hole() as nowhere:
        environment = AWAY | {"DATABASE_URL": f"postgresql://u:p@{nowhere}/x", "API_MAX_CONNECTIONS": "1"}
        async with running(**environment, API_KEYS=API_KEY) as api:
            # The second request is begun in the same step in which the first is answered.
            reader, answered = await connect(
                api, HEALTHZ + b"GET /notifications HTTP/1.1\r\nHost: x\r\n" + KEY + b"\r\n"
            )
            await reader.readuntil(b'{"status":"ok"}')
            refused, writer = await connect(api, b"")
            assert (await everything(refused)).startswith(b"HTTP/1.1 503 ")
            for each in (answered, writer):
                each.transport.abort()
