"""`python -m api` as a process: how it starts, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.calling_api import NOBODY_LISTENS, black_hole, is_problem
from tests.data import Platform

ROOT = Path(__file__).parents[2]
AWAY = {"DATABASE_URL": f"postgresql://u:p@{NOBODY_LISTENS}/x", "TEMPORAL_ADDRESS": NOBODY_LISTENS, "API_PORT": "0"}


async def start(**environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "api",
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        stderr=asyncio.subprocess.PIPE,
    )


@dataclass(frozen=True)
class Running:
    process: asyncio.subprocess.Process
    url: str


@asynccontextmanager
async def running(**environment: str) -> AsyncIterator[Running]:
    """The API once it is ready. It is stopped by SIGTERM and has to exit 0."""
    process = await start(**environment)
    assert process.stderr is not None
    try:
        async with asyncio.timeout(60):
            async for line in process.stderr:
                event = json.loads(line)
                if event["event"] == "api_ready":
                    break
        yield Running(process, f"http://{event['host']}:{event['port']}")
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(40):
            _, rest = await process.communicate()
    assert process.returncode == 0, rest.decode()


async def test_it_starts_while_database_and_temporal_are_away_and_says_so() -> None:
    async with running(**AWAY, API_KEYS="k") as api, httpx.AsyncClient(base_url=api.url) as http:
        assert (await http.get("/healthz")).status_code == 200
        response = await http.get("/readyz")
        assert is_problem(response, 503)
        assert response.json()["checks"] == {"database": "away", "temporal": "away"}
        assert is_problem(await http.get("/notifications"), 401)
        assert is_problem(await http.get("/notifications", headers={"X-API-Key": "k"}), 503)


async def test_a_request_in_flight_is_answered_before_it_stops(database_url: str, platform: Platform) -> None:
    with black_hole() as nowhere:
        environment = AWAY | {"DATABASE_URL": database_url, "TEMPORAL_ADDRESS": nowhere, "API_AUTH": "off"}
        async with running(**environment) as api, httpx.AsyncClient(base_url=api.url, timeout=30) as http:
            request = asyncio.create_task(http.post("/notifications/test", json={"chat_id": 77}))
            while not await platform.notifications():
                await asyncio.sleep(0.05)
            api.process.send_signal(signal.SIGTERM)
            assert is_problem(await request, 503)
            assert await api.process.wait() == 0
    assert await platform.notifications() == []


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, "API_KEYS"),
        ({"API_KEYS": " , "}, "API_KEYS"),
        ({"API_KEYS_FILE": "/nowhere/keys"}, "API_KEYS_FILE"),
        ({"API_KEYS": "k", "API_PORT": "65536"}, "API_PORT"),
        ({"API_KEYS": "k", "API_HOST": "no-such-host.invalid"}, "API_HOST"),
        ({"API_KEYS": "k", "TEMPORAL_PROFILE": "unheard"}, "TEMPORAL_"),
    ],
)
async def test_a_wrong_setting_ends_it_with_status_2_and_one_line(environment: dict[str, str], named: str) -> None:
    process = await start(**AWAY | environment)
    async with asyncio.timeout(60):
        _, said = await process.communicate()
    assert process.returncode == 2
    assert said.decode().startswith("api: ")
    assert named in said.decode()
    assert said.count(b"\n") == 1
