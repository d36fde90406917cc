"""What the API logs of a request: fields of ours, and nothing that a stranger wrote."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from tests.support.api_process import AWAY, running
from tests.support.settings_for import API_KEY

DIGITS = "1" * 60_000


@pytest.mark.parametrize(
    "target",
    [
        f"/healthz?{DIGITS}",
        f"/unsubscribe/x?{DIGITS}",
        f"/unsubscribe/{DIGITS}",
        f"/{DIGITS}",
        f"/projects/{DIGITS}/renew",
        "/healthz?" + "a@" * 30_000,
    ],
)
async def test_a_long_request_line_blocks_nobody_and_is_not_logged(target: str) -> None:
    async with running(**AWAY, API_KEYS=API_KEY) as api, httpx.AsyncClient(base_url=api.url, timeout=60) as http:
        strangers = [asyncio.create_task(http.get(target)) for _ in range(10)]
        assert (await http.get("/healthz")).status_code == 200
        assert {answer.status_code for answer in await asyncio.gather(*strangers)} <= {200, 401, 404}
        await api.process.stop()
        log = api.process.output()
    assert "11111" not in log
    assert "a@" not in log
    assert log.count('"request"') == 11


async def test_the_access_log_names_the_route_and_no_token() -> None:
    async with running(**AWAY, API_KEYS=API_KEY) as api, httpx.AsyncClient(base_url=api.url) as http:
        await http.post("/unsubscribe/WzEsImdnZ09vYVhzMzlZeCJd.Z5XN?to=marketing/anna@localhost")
        await http.get("/notifications/42?x=anna@localhost", headers={"X-API-Key": API_KEY})
        await http.request("ANNA", "/nowhere/anna@localhost")
        await api.process.stop()
        log = api.process.output()
    requests = [event for event in map(json.loads, log.splitlines()) if event["event"] == "request"]
    assert [(each["method"], each["route"], each["status"]) for each in requests] == [
        ("POST", "/unsubscribe/{token}", 404),
        ("GET", "/notifications/{notification_id}", 503),
        ("other", None, 401),
    ]
    assert all(each["client"] == "127.0.0.1" for each in requests)
    assert "anna" not in log.lower()


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/notifications/test", "/notifications/test"),
        ("/unsubscribe/x", "/unsubscribe/{token}"),
        ("/projects/p/renew", "/projects/{slug}/renew"),
    ],
)
async def test_a_client_that_leaves_during_its_post_is_a_line_in_the_log(path: str, route: str) -> None:
    async with running(**AWAY, API_KEYS=API_KEY) as api:
        url = httpx.URL(api.url)
        _, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {API_KEY}\r\nContent-Type: application/json\r\n"
            "Content-Length: 1000\r\n\r\n{".encode()
        )
        await writer.drain()
        writer.transport.abort()
        event = json.loads(await api.process.wait_for_line('"request_aborted"'))
        await api.process.stop()
        log = api.process.output()
    assert event["method"] == "POST"
    assert event["route"] == route
    assert "Traceback" not in log
    assert '"error"' not in log
