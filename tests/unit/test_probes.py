"""The probes' server, asked over real connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest

from runtime.listening import ListenError, checked_address
from runtime.probes import SILENT_CONNECTIONS, Probes
from settings import Settings, SettingsError
from tests.support.probing import ask, raw_answer

Reserve = Callable[[], int]


@pytest.fixture
def port(reserved_port: Reserve) -> int:
    return reserved_port()


@pytest.fixture
async def probes(port: int) -> AsyncIterator[Probes]:
    probes = Probes()
    async with probes.serving(f"127.0.0.1:{port}"):
        yield probes


async def test_before_there_is_a_worker_it_is_alive_and_not_ready(probes: Probes, port: int) -> None:
    assert await ask(port, "/livez") == (200, "ok\n")
    assert await ask(port, "/readyz") == (503, "starting\n")


async def test_it_is_ready_as_long_as_the_check_passes(probes: Probes, port: int) -> None:
    reasons = [None, OSError("postgresql://user:secret@host"), None]

    async def check() -> None:
        if reason := reasons.pop(0):
            raise reason

    probes.ready_if(check)
    assert await ask(port, "/readyz") == (200, "ok\n")
    assert await ask(port, "/readyz") == (503, "OSError\n")
    assert await ask(port, "/readyz") == (200, "ok\n")
    probes.not_ready("stopping")
    assert await ask(port, "/readyz") == (503, "stopping\n")
    assert await ask(port, "/livez") == (200, "ok\n")


async def test_a_check_that_hangs_delays_no_liveness_and_is_asked_once(probes: Probes, port: int) -> None:
    gate, asked = asyncio.Event(), []

    async def check() -> None:
        asked.append(True)
        await gate.wait()

    probes.ready_if(check)
    waiting = [asyncio.create_task(ask(port, "/readyz")) for _ in range(5)]
    while not asked:
        await asyncio.sleep(0)
    assert await ask(port, "/livez") == (200, "ok\n")
    gate.set()
    assert await asyncio.gather(*waiting) == [(200, "ok\n")] * 5


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"GET /livez/../readyz HTTP/1.1\r\n\r\n", 404),
        (b"POST /livez HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", 405),
        (b"HEAD /livez HTTP/1.0\r\n\r\n", 200),
        (b"GET /livez?x=1 HTTP/1.1\r\n\r\n", 200),
        (b"\r\n\r\n", 400),
        (b"\xff\x00 \x00\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431),
    ],
)
@pytest.mark.usefixtures("probes")
async def test_what_else_is_asked(port: int, request_: bytes, status: int) -> None:
    assert (await raw_answer(port, request_)).startswith(f"HTTP/1.1 {status} ".encode())


async def test_clients_that_send_nothing_keep_nobody_out(port: int) -> None:
    async with Probes(request_seconds=60).serving(f"127.0.0.1:{port}"):
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(SILENT_CONNECTIONS + 5)]
        assert await ask(port, "/livez") == (200, "ok\n")
        for reader, _ in silent[:6]:  # one more for the question
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
        for _, writer in silent:
            writer.close()


async def test_clients_that_send_nothing_are_closed(port: int) -> None:
    async with Probes(request_seconds=0.1).serving(f"127.0.0.1:{port}"):
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(SILENT_CONNECTIONS)]
        for reader, writer in silent:
            assert await reader.read() == b""
            writer.close()


async def test_a_busy_port_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "{}:{}".format(*taken.getsockname())
        with pytest.raises(ListenError, match=f"cannot listen on {address}: Address already in use"):
            async with Probes().serving(address):
                pass


async def test_without_an_address_nothing_listens() -> None:
    async with Probes().serving(None):
        pass


@pytest.mark.parametrize("address", ["0.0.0.0:8080", "[::]:8080", "localhost:0", "worker-1.internal:65535"])
def test_addresses(address: str) -> None:
    assert checked_address(address) == address


@pytest.mark.parametrize("address", ["8080", ":8080", "host:", "host:65536", "::1:80", "host:80:90", "ho st:80"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="HEALTH_ADDRESS: must be host:port"):
        Settings.load(health_address=address)
