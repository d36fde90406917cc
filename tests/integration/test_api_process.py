"""`python -m api` as a process: how it starts, and how it ends."""

from __future__ import annotations

import asyncio
import signal

import httpx
import pytest

from local.programs import run_to_end
from tests.support.api_process import AWAY, PATH, running
from tests.support.calling_api import black_hole, is_problem
from tests.support.data import Platform
from tests.support.settings_for import API_KEY


async def test_it_starts_while_database_and_temporal_are_away_and_says_so() -> None:
    async with running(**AWAY, API_KEYS=API_KEY) as api, httpx.AsyncClient(base_url=api.url) as http:
        assert (await http.get("/healthz")).status_code == 200
        response = await http.get("/readyz")
        assert is_problem(response, 503)
        assert response.json()["checks"] == {"database": "away", "temporal": "away"}
        assert is_problem(await http.get("/notifications"), 401)
        assert is_problem(await http.get("/notifications", headers={"X-API-Key": API_KEY}), 503)


async def test_a_request_in_flight_is_answered_before_it_stops(database_url: str, platform: Platform) -> None:
    with black_hole() as nowhere:
        environment = AWAY | {"DATABASE_URL": database_url, "TEMPORAL_ADDRESS": nowhere, "API_AUTH": "off"}
        async with running(**environment) as api, httpx.AsyncClient(base_url=api.url, timeout=30) as http:
            request = asyncio.create_task(http.post("/notifications/test", json={"chat_id": 77}))
            while not await platform.notifications():
                await asyncio.sleep(0.05)
            api.process.send(signal.SIGTERM)
            assert is_problem(await request, 503)
            assert await api.process.exit_status() == 0
    assert await platform.notifications() == []


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, "API_KEYS"),
        ({"API_KEYS": " , "}, "API_KEYS"),
        ({"API_KEYS_FILE": "/nowhere/keys"}, "API_KEYS_FILE"),
        ({"API_KEYS": "change-me"}, "API_KEYS"),
        ({"API_KEYS": f"{API_KEY},short"}, "API_KEYS"),
        ({"API_KEYS": "x" * 64}, "API_KEYS"),
        ({"API_KEYS": API_KEY, "SUPPORT_EMAIL": ""}, "SUPPORT_EMAIL"),
        ({"API_KEYS": API_KEY, "SUPPORT_EMAIL": "support@example.com"}, "SUPPORT_EMAIL"),
        ({"API_KEYS": API_KEY, "PUBLIC_URL": "https://notices.platform.example"}, "UNSUBSCRIBE_SECRET"),
        ({"API_KEYS": API_KEY, "UNSUBSCRIBE_SECRET": "x"}, "UNSUBSCRIBE_SECRET"),
        ({"API_KEYS": API_KEY, "API_PORT": "65536"}, "API_PORT"),
        ({"API_KEYS": API_KEY, "API_HOST": "no-such-host.invalid"}, "API_HOST"),
        ({"API_KEYS": API_KEY, "TEMPORAL_PROFILE": "unheard"}, "TEMPORAL_"),
    ],
)
async def test_a_wrong_setting_ends_it_with_status_2_and_one_line(environment: dict[str, str], named: str) -> None:
    ended = await run_to_end(["-m", "api"], environment=PATH | AWAY | environment)
    assert ended.status == 2
    assert ended.err.startswith("api: ")
    assert named in ended.err
    assert not any(
        value in ended.err
        for name, value in environment.items()
        if name in ("API_KEYS", "UNSUBSCRIBE_SECRET") and len(value) > 9
    )
    assert ended.err.count("\n") == 1
