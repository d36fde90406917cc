"""Reading through the API, its health and its documentation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from db.engine import create_engine
from settings import Settings
from tests.support.calling_api import NOBODY_LISTENS, black_hole, calling, calling_alone, is_problem, temporal_at
from tests.support.data import Platform
from tests.support.settings_for import SUPPORT_EMAIL

FLAT_SHAPE = (
    "id notification_type status company_id company_slug project_id project_slug "
    "ar_content_id ar_content_slug subject days_left item_ends_at "
    "created_at finished_at workflow_id web_ui_url email_sent email_sent_at email_error "
    "telegram_sent telegram_sent_at telegram_error"
).split()
DELIVERY_SHAPE = (
    "channel status reason attempts recipient subject body body_html provider_id provider_reply possible_duplicate "
    "claimed_at sending_at finished_at text_sha256 html_sha256"
).split()


@pytest.fixture
async def no_temporal() -> Client:
    return await temporal_at(NOBODY_LISTENS)


@pytest.fixture
async def http(settings: Settings, engine: AsyncEngine, no_temporal: Client) -> AsyncIterator[httpx.AsyncClient]:
    async with calling(settings, engine, no_temporal) as http:
        yield http


async def open_notifications(platform: Platform, count: int, company_id: int | None = None, **values: Any) -> None:
    """Opens `count` notifications at the very same moment."""
    row = {"notification_type": "expiring", "status": "open", "project_id": None} | values
    await platform.execute(
        """
        WITH opened AS (
            INSERT INTO notifications (notification_type, status, company_id, project_id, give_up_at, dedupe_key,
                                       workflow_id)
            SELECT :notification_type, :status, CAST(:company_id AS bigint), CAST(:project_id AS bigint), now(),
                   key, key
            FROM (SELECT gen_random_uuid()::text AS key FROM generate_series(1, CAST(:count AS int))) AS keys
            RETURNING id
        )
        INSERT INTO deliveries (notification_id, channel)
        SELECT id, channel FROM opened CROSS JOIN unnest(ARRAY['telegram', 'email']) AS channel
        """,
        company_id=company_id,
        count=count,
        **row,
    )


async def items(http: httpx.AsyncClient, **parameters: Any) -> list[dict[str, Any]]:
    response = await http.get("/notifications", params=parameters)
    assert response.status_code == 200, response.text
    listed: list[dict[str, Any]] = response.json()["items"]
    return listed


async def test_a_listed_notification_has_the_flat_shape(
    http: httpx.AsyncClient, platform: Platform, settings: Settings
) -> None:
    company = await platform.company(slug="acme")
    project = await platform.project(company, slug="tower")
    await open_notifications(platform, 1, company, project_id=project)
    [item] = await items(http)
    assert list(item) == FLAT_SHAPE
    assert (item["company_id"], item["company_slug"]) == (company, "acme")
    assert (item["project_id"], item["project_slug"]) == (project, "tower")
    assert (item["status"], item["email_sent"], item["telegram_sent"]) == ("open", False, False)
    assert item["web_ui_url"] == f"{settings.temporal_ui_url}/namespaces/default/workflows/{item['workflow_id']}"


async def test_pages_follow_each_other_without_gap_or_repetition(http: httpx.AsyncClient, platform: Platform) -> None:
    await open_notifications(platform, 8)
    pages: list[list[int]] = []
    cursor = None
    while not pages or cursor:
        parameters = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await http.get("/notifications", params=parameters)).json()
        pages.append([item["id"] for item in page["items"]])
        cursor = page["next_cursor"]
        await open_notifications(platform, 1)  # newer ones disturb nothing
    assert pages == [[8, 7, 6], [5, 4, 3], [2, 1]]


async def test_a_page_that_is_just_full_is_the_last(http: httpx.AsyncClient, platform: Platform) -> None:
    await open_notifications(platform, 3)
    page = (await http.get("/notifications", params={"limit": 3})).json()
    assert len(page["items"]) == 3
    assert page["next_cursor"] is None


async def test_filters_narrow_the_list(http: httpx.AsyncClient, platform: Platform) -> None:
    acme, other = await platform.company(slug="acme"), await platform.company(slug="other")
    tower = await platform.project(acme, slug="tower")
    await open_notifications(platform, 1, acme, project_id=tower, status="delivered")
    await open_notifications(platform, 1, acme, status="undelivered")
    await open_notifications(platform, 1, other)
    await open_notifications(platform, 1, notification_type="test")

    async def found(**parameters: str) -> list[int]:
        return [item["id"] for item in await items(http, **parameters)]

    assert await found(company="acme") == [2, 1]
    assert await found(project="tower") == [1]
    assert await found(type="test") == [4]
    assert await found(status="undelivered") == [2]
    assert await found(company="acme", status="open") == []
    assert await found(company="other", project="tower") == []
    assert await found(company="nobody") == []
    assert await found(project="nothing") == []


async def test_a_notification_is_shown_with_its_deliveries(http: httpx.AsyncClient, platform: Platform) -> None:
    await open_notifications(platform, 1)
    await platform.execute(
        "UPDATE deliveries SET status = 'accepted', attempts = 2, recipient = 'a@customer.example', subject = 'Soon', "
        "body = 'It ends', provider_id = '<1@x>', provider_reply = '250 ok', claimed_at = now(), sending_at = now(), "
        "finished_at = now() WHERE channel = 'email'"
    )
    shown = (await http.get("/notifications/1")).json()
    assert list(shown) == [*FLAT_SHAPE, "texts_removed_at", "deliveries"]
    assert shown["email_sent"] is True
    email, telegram = shown["deliveries"]
    assert list(email) == DELIVERY_SHAPE
    assert (email["channel"], email["status"], email["attempts"]) == ("email", "accepted", 2)
    assert (email["recipient"], email["provider_reply"]) == ("a@customer.example", "250 ok")
    assert email["finished_at"] == shown["email_sent_at"]
    assert (telegram["channel"], telegram["status"], telegram["recipient"]) == ("telegram", "pending", None)


@pytest.mark.parametrize(
    "path", ["/notifications?company=acme&cursor=OTk", "/notifications/1", "/deliveries?company=acme&reason=x"]
)
async def test_reading_takes_one_statement(
    http: httpx.AsyncClient, platform: Platform, engine: AsyncEngine, path: str
) -> None:
    await open_notifications(platform, 2, await platform.company(slug="acme"))
    statements: list[str] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    assert (await http.get(path)).status_code == 200
    assert len(statements) == 1


async def test_ready_when_both_servers_answer(settings: Settings, engine: AsyncEngine, temporal: Client) -> None:
    async with calling(settings, engine, temporal, key=None) as http:
        response = await http.get("/readyz")
        assert (response.status_code, response.json()) == (200, {"checks": {"database": "ok", "temporal": "ok"}})


async def test_ready_while_the_pool_is_used_up(settings: Settings, engine: AsyncEngine, temporal: Client) -> None:
    async with AsyncExitStack() as used, calling(settings, engine, temporal, key=None) as http:
        for _ in range(settings.database_pool_size):
            await used.enter_async_context(engine.connect())
        assert (await http.get("/readyz")).status_code == 200


async def test_asked_by_many_at_once_readyz_opens_one_connection() -> None:
    connected: list[asyncio.StreamWriter] = []

    async def never_answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(writer)

    async with await asyncio.start_server(never_answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = Settings.load(database_url=f"postgresql://u:p@127.0.0.1:{port}/x", support_email=SUPPORT_EMAIL)
        async with calling(settings, create_engine(settings, "test"), await temporal_at(NOBODY_LISTENS), None) as http:
            answers = await asyncio.gather(*(http.get("/readyz") for _ in range(50)))
        assert all(is_problem(answer, 503) for answer in answers)
        assert len(connected) == 1
        for writer in connected:
            writer.transport.abort()


async def test_not_ready_without_the_namespace(settings: Settings, engine: AsyncEngine, temporal: Client) -> None:
    elsewhere = Client(temporal.service_client, namespace="nowhere")
    async with calling(settings, engine, elsewhere, key=None) as http:
        response = await http.get("/readyz")
        assert is_problem(response, 503)
        assert response.json()["checks"] == {"database": "ok", "temporal": "away"}


async def test_servers_that_never_answer_hold_readyz_for_two_seconds() -> None:
    with black_hole() as nowhere:
        settings = Settings.load(database_url=f"postgresql://u:p@{nowhere}/x", support_email=SUPPORT_EMAIL)
        engine = create_engine(settings, "test")
        async with calling(settings, engine, await temporal_at(nowhere), key=None) as http:
            asked = time.monotonic()
            response = await http.get("/readyz")
            assert time.monotonic() - asked < 3
            assert is_problem(response, 503)
            assert response.json()["checks"] == {"database": "away", "temporal": "away"}
            assert (await http.get("/healthz")).json() == {"status": "ok"}


async def test_the_documentation_is_open_and_tells_of_problems_and_keys() -> None:
    async with calling_alone(key=None) as http:
        assert (await http.get("/docs")).status_code == 200
        schema = (await http.get("/openapi.json")).json()
    assert schema["components"]["securitySchemes"]["ApiKey"] == {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "One of API_KEYS.",
    }
    browser = schema["components"]["securitySchemes"]["Browser"]
    assert (browser["type"], browser["scheme"]) == ("http", "basic")
    operations = {f"{method} {path}": each for path, of in schema["paths"].items() for method, each in of.items()}
    assert operations.keys() == {
        "get /healthz",
        "get /readyz",
        "get /notifications",
        "get /deliveries",
        "get /notifications/{notification_id}",
        "post /notifications/test",
        "post /projects/{slug}/renew",
        "post /contents/{slug}/renew",
    }
    for name, operation in operations.items():
        logins = {login for each in operation.get("security", []) for login in each}
        assert ("Browser" in logins) == name.startswith(("get /notifications", "get /deliveries"))
        assert ("security" in operation) == (not name.endswith(("/healthz", "/readyz")))
        for status, response in operation["responses"].items():
            media_type = "application/json" if int(status) < 400 else "application/problem+json"
            page = ["text/html"] if (name, status) == ("get /notifications/{notification_id}", "200") else []
            assert list(response["content"]) == [media_type, *page], (name, status)
