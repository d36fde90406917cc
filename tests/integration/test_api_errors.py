"""Every error of the API, and that a request that is refused starts nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from db.engine import create_engine
from settings import Settings
from tests.support.calling_api import NOBODY_LISTENS, calling, calling_alone, is_problem, temporal_at
from tests.support.data import Platform
from tests.support.settings_for import API_KEY, MakeSettings

TEST = {"email": "anna@customer.example", "chat_id": 77}


@pytest.fixture
async def no_temporal() -> Client:
    return await temporal_at(NOBODY_LISTENS)


@pytest.fixture
async def http(settings: Settings, engine: AsyncEngine, no_temporal: Client) -> AsyncIterator[httpx.AsyncClient]:
    async with calling(settings, engine, no_temporal) as http:
        yield http


@pytest.fixture
async def alone() -> AsyncIterator[httpx.AsyncClient]:
    async with calling_alone() as http:
        yield http


async def test_a_request_without_a_key_is_refused(alone: httpx.AsyncClient) -> None:
    del alone.headers["X-API-Key"]
    for response in (
        await alone.get("/notifications"),
        await alone.get("/notifications/1"),
        await alone.post("/notifications/test", json={"email": "a@customer.example"}),
        await alone.post("/notifications/test", content=b"no JSON"),
        await alone.get("/nowhere"),
    ):
        assert is_problem(response, 401)
        assert response.headers["WWW-Authenticate"] == "APIKey"


@pytest.mark.parametrize("key", ["", "wrong", API_KEY[:-1], f"{API_KEY}2", f"{API_KEY},", "schlüssel"])
async def test_a_wrong_key_is_refused(alone: httpx.AsyncClient, key: str) -> None:
    assert is_problem(await alone.get("/notifications", headers={b"X-API-Key": key.encode()}), 401)


async def test_each_of_several_keys_opens(
    make_settings: MakeSettings, engine: AsyncEngine, no_temporal: Client
) -> None:
    keys = [f"{name}-{API_KEY}" for name in ("one", "two", "schlüssel")]
    async with calling(make_settings(api_keys=" ,".join(keys)), engine, no_temporal, key=None) as http:
        for key in keys:
            response = await http.get("/notifications", headers={b"X-API-Key": key.encode()})
            assert response.status_code == 200


async def test_a_rotated_key_counts_at_once(
    make_settings: MakeSettings, engine: AsyncEngine, no_temporal: Client, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    old, new, newer = (f"{name}-{API_KEY}" for name in ("old", "new", "newer"))
    file.write_text(f"{old}\n")
    settings = make_settings(api_keys=None, api_keys_file=file)
    async with calling(settings, engine, no_temporal, key=new) as http:
        assert is_problem(await http.get("/notifications"), 401)
        file.write_text(f"{old},{new}\n")
        assert (await http.get("/notifications")).status_code == 200
        file.write_text(f"{newer}\n")
        assert is_problem(await http.get("/notifications"), 401)
        file.write_text(f"{new},short\n")
        response = await http.get("/notifications")
        assert is_problem(response, 503)
        assert "short" not in response.text
        file.write_text("\n")
        assert is_problem(await http.get("/notifications"), 503)
        file.unlink()
        response = await http.get("/notifications")
        assert is_problem(response, 503)
        assert str(file) not in response.text


async def test_with_api_auth_off_nobody_is_asked(
    make_settings: MakeSettings, engine: AsyncEngine, no_temporal: Client
) -> None:
    async with calling(make_settings(api_auth="off", api_keys=None), engine, no_temporal, key=None) as http:
        assert (await http.get("/notifications")).status_code == 200


async def test_what_is_not_there_is_404(http: httpx.AsyncClient) -> None:
    response = await http.get("/notifications/17")
    assert is_problem(response, 404)
    assert response.json()["detail"] == "There is no notification 17."
    assert is_problem(await http.get("/nowhere"), 404)
    assert is_problem(await http.get("/notifications/"), 404)


async def test_a_wrong_method_is_405(alone: httpx.AsyncClient) -> None:
    response = await alone.delete("/notifications")
    assert is_problem(response, 405)
    assert response.headers["Allow"] == "GET"
    assert is_problem(await alone.post("/notifications/17"), 405)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/notifications?limit=0", "limit"),
        ("/notifications?limit=201", "limit"),
        ("/notifications?limit=many", "limit"),
        ("/notifications?type=unheard", "type"),
        ("/notifications?status=unheard", "status"),
        ("/notifications?company=a%00b", "company"),
        ("/notifications?project=" + "p" * 201, "project"),
        ("/notifications?compny=acme", "compny"),
        ("/notifications?cursor=", "cursor"),
        ("/notifications?cursor=garbage", "cursor"),
        ("/notifications?cursor=%00%ff", "cursor"),
        ("/notifications?cursor=MA", "cursor"),  # 0
        ("/notifications?cursor=LTE", "cursor"),  # -1
        ("/notifications?cursor=MDE", "cursor"),  # 01
        ("/notifications?cursor=OTIyMzM3MjAzNjg1NDc3NTgwOA", "cursor"),  # 2**63
        ("/notifications?cursor=" + "OTk5" * 2000, "cursor"),
        ("/notifications/0", "notification_id"),
        ("/notifications/seventeen", "notification_id"),
        ("/notifications/9223372036854775808", "notification_id"),
    ],
)
async def test_a_bad_parameter_is_422_and_named(alone: httpx.AsyncClient, path: str, field: str) -> None:
    response = await alone.get(path)
    assert is_problem(response, 422)
    [error] = response.json()["errors"]
    assert error["field"] == field
    assert error["reason"]


async def test_a_database_that_is_away_is_503(alone: httpx.AsyncClient) -> None:
    for response in (
        await alone.get("/notifications"),
        await alone.get("/notifications/1"),
        await alone.post("/notifications/test", json={"email": "a@customer.example"}),
    ):
        assert is_problem(response, 503)
        assert response.json()["detail"] == "The database cannot be reached."


async def test_a_connection_that_was_lost_is_503_once(
    settings: Settings, no_temporal: Client, platform: Platform
) -> None:
    engine = create_engine(settings, "api")
    async with calling(settings, engine, no_temporal) as http:
        assert (await http.get("/notifications")).status_code == 200
        await platform.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'api'"
        )
        assert is_problem(await http.get("/notifications"), 503)
        assert (await http.get("/notifications")).status_code == 200
    await engine.dispose()


async def test_a_bug_is_500_without_its_secrets(http: httpx.AsyncClient, platform: Platform) -> None:
    await platform.execute("DROP VIEW notifications_flat")
    response = await http.get("/notifications")
    assert is_problem(response, 500)
    assert "notifications_flat" not in response.text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"email": None, "chat_id": None}, "body"),
        ({"subject": "Hello"}, "body"),
        ([], "body"),
        ("text", "body"),
        (None, "body"),
        (TEST | {"to": "b@customer.example"}, "to"),
        ({"email": "nobody"}, "email"),
        ({"email": "a@customer.example\r\nBcc: b@customer.example"}, "email"),
        ({"email": "a@customer.example, b@customer.example"}, "email"),
        ({"email": ""}, "email"),
        ({"email": 7}, "email"),
        ({"chat_id": 0}, "chat_id"),
        ({"chat_id": "77"}, "chat_id"),
        ({"chat_id": 1.5}, "chat_id"),
        ({"chat_id": True}, "chat_id"),
        ({"chat_id": 2**63}, "chat_id"),
        ({"chat_id": -(2**63) - 1}, "chat_id"),
        (TEST | {"subject": "s" * 201}, "subject"),
        (TEST | {"subject": "one\r\nBcc: b@customer.example"}, "subject"),
        (TEST | {"subject": "one\n"}, "subject"),
        (TEST | {"subject": "\rone"}, "subject"),
        (TEST | {"subject": "one\u2028two"}, "subject"),
        (TEST | {"subject": " "}, "subject"),
        (TEST | {"subject": "\u202e\u200b"}, "subject"),
        (TEST | {"subject": "a\0b"}, "subject"),
        (TEST | {"subject": 7}, "subject"),
        (TEST | {"message": "m" * 3801}, "message"),
        (TEST | {"message": ""}, "message"),
        (TEST | {"message": "a\0b"}, "message"),
        (TEST | {"html": "h" * 100_001}, "html"),
        (TEST | {"html": "ü" * 50_001}, "html"),
        (TEST | {"html": "a\0b"}, "html"),
    ],
)
async def test_a_bad_body_is_422_and_named(alone: httpx.AsyncClient, body: Any, field: str) -> None:
    response = await alone.post("/notifications/test", json=body)
    assert is_problem(response, 422)
    assert {error["field"] for error in response.json()["errors"]} == {field}


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{", "application/json", 422),
        (b"", "application/json", 422),
        (b'{"email": "a@customer.example"}', "text/plain", 422),
        (rb'{"chat_id": 7, "message": "half a character: \ud83d"}', "application/json", 422),
        (rb'{"chat_id": 7, "\ud83d": 7}', "application/json", 422),
        (b'{"email": "\xff"}', "application/json", 400),
        (b'{"chat_id": ' + b"9" * 5000 + b"}", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b" " * (2**20 + 1), "application/json", 413),
    ],
)
async def test_what_is_no_json_is_refused(
    alone: httpx.AsyncClient, content: bytes, content_type: str, status: int
) -> None:
    response = await alone.post("/notifications/test", content=content, headers={"Content-Type": content_type})
    assert is_problem(response, status)
