"""Browsers log in by HTTP Basic with a key as the password, and can only read."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from settings import Settings
from tests.support.calling_api import NOBODY_LISTENS, calling, calling_alone, is_problem, temporal_at
from tests.support.data import Platform
from tests.support.settings_for import API_KEY, MakeSettings

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
CHALLENGE = 'Basic realm="Expiry notifier", charset="UTF-8"'
ONLY_HERE = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def basic(password: str, user: str = "anna", encoding: str = "utf-8") -> dict[str, str]:
    credentials = base64.b64encode(f"{user}:{password}".encode(encoding)).decode()
    return {"Authorization": f"Basic {credentials}"}


@pytest.fixture
async def no_temporal() -> Client:
    return await temporal_at(NOBODY_LISTENS)


@pytest.fixture
async def http(settings: Settings, engine: AsyncEngine, no_temporal: Client) -> AsyncIterator[httpx.AsyncClient]:
    """Without a key."""
    async with calling(settings, engine, no_temporal, key=None) as http:
        yield http


@pytest.fixture
async def stranger() -> AsyncIterator[httpx.AsyncClient]:
    """Neither database nor Temporal: an answer other than 503 needed and started nothing."""
    async with calling_alone(key=None) as http:
        yield http


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/notifications", "/notifications/1", "/nowhere"])
async def test_a_browser_is_asked_for_a_password(stranger: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await stranger.request(method, path, headers=BROWSER)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == CHALLENGE
    assert answer.headers["Vary"] == "Accept"
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "image/avif,*/*"])
async def test_a_program_is_not(stranger: httpx.AsyncClient, accept: str | None) -> None:
    answer = await stranger.get("/notifications", headers={"Accept": accept} if accept else {})
    assert is_problem(answer, 401)
    assert answer.headers["WWW-Authenticate"] == "APIKey"


@pytest.mark.parametrize("user", ["anna", "", "Ännchen 𝄞"])
@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
async def test_a_browser_reads_with_a_key_as_the_password(http: httpx.AsyncClient, user: str, scheme: str) -> None:
    login = basic(API_KEY, user)["Authorization"].replace("Basic", scheme)
    answer = await http.get("/notifications", headers={"Authorization": login})
    assert answer.status_code == 200
    assert answer.headers.items() >= {name.lower(): value for name, value in ONLY_HERE.items()}.items()


async def test_a_password_with_a_colon_and_letters_beyond_ascii_opens(
    make_settings: MakeSettings, engine: AsyncEngine, no_temporal: Client
) -> None:
    key = f"schlüssel:{API_KEY}"
    async with calling(make_settings(api_keys=key), engine, no_temporal, key=None) as http:
        assert (await http.get("/notifications", headers=basic(key))).status_code == 200
        assert (await http.get("/notifications", headers=basic(key, encoding="latin-1"))).status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "X"])
@pytest.mark.parametrize("path", ["/notifications/test", "/projects/tower/renew", "/contents/door/renew"])
async def test_a_foreign_pages_form_changes_nothing(stranger: httpx.AsyncClient, method: str, path: str) -> None:
    """The browser adds the password that it knows, whoever made the form."""
    headers = basic(API_KEY) | BROWSER | {"Origin": "https://foreign.example", "Content-Type": "text/plain"}
    answer = await stranger.request(method, path, headers=headers, content=b'{"email": "a@customer.example"}')
    assert is_problem(answer, 401)
    assert answer.headers["WWW-Authenticate"] == "APIKey"  # or the browser would ask for a password again
    assert "X-API-Key is missing" in answer.json()["detail"]


async def test_what_changes_something_takes_the_key_beside_a_login(http: httpx.AsyncClient) -> None:
    answer = await http.post(
        "/projects/nothing/renew",
        headers=basic(API_KEY) | {"X-API-Key": API_KEY},
        json={"until": "2030-01-01T00:00:00Z"},
    )
    assert is_problem(answer, 404)


@pytest.mark.parametrize(
    "authorization",
    [
        basic("wrong")["Authorization"],
        basic(API_KEY[:-1])["Authorization"],
        basic(f"{API_KEY} ")["Authorization"],
        basic("")["Authorization"],
        "Basic",
        "Basic ",
        "Basic %%%",
        "Basic " + base64.b64encode(API_KEY.encode()).decode(),  # no colon
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        f"Bearer {API_KEY}",
        "Basic " + "A" * 100_000,
        basic("x" * 50_000)["Authorization"],
    ],
)
async def test_another_login_is_refused(stranger: httpx.AsyncClient, authorization: str) -> None:
    headers = {"Authorization": authorization}
    assert is_problem(await stranger.get("/notifications", headers=headers), 401)
    again = await stranger.get("/notifications", headers=headers | BROWSER)
    assert (again.status_code, again.headers["WWW-Authenticate"]) == (401, CHALLENGE)


async def test_a_wrong_key_counts_even_with_a_right_password(stranger: httpx.AsyncClient) -> None:
    headers = basic(API_KEY) | BROWSER | {"X-API-Key": "wrong"}
    answer = await stranger.get("/notifications", headers=headers)
    assert is_problem(answer, 401)
    assert answer.json()["detail"] == "X-API-Key is not a valid key."


async def test_without_authentication_nobody_is_asked(
    make_settings: MakeSettings, engine: AsyncEngine, no_temporal: Client, platform: Platform
) -> None:
    await platform.notification(await platform.project(await platform.company()))
    settings = make_settings(api_auth="off", api_keys=None)
    async with calling(settings, engine, no_temporal, key=None) as http:
        for headers in ({}, BROWSER, basic("anything") | BROWSER):
            assert (await http.get("/notifications/1", headers=headers)).status_code == 200
