"""Renewing a project through the API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api import database
from db import locks
from settings import Settings
from tests.support.calling_api import NOBODY_LISTENS, calling, calling_alone, is_problem, temporal_at
from tests.support.data import Platform, in_days
from tests.support.deactivations import Deactivations
from tests.support.locks import somebody_waits

UNTIL = in_days(365).replace(microsecond=0)
RENEW = "/projects/ship/renew"
POOL_SIZE = Settings.model_fields["database_pool_size"].default
WAITING_SESSIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
BODY = {"until": UNTIL.isoformat()}


@pytest.fixture
async def http(settings: Settings, engine: AsyncEngine) -> AsyncIterator[httpx.AsyncClient]:
    """No Temporal answers: a renewal needs none."""
    async with calling(settings, engine, await temporal_at(NOBODY_LISTENS)) as http:
        yield http


@pytest.fixture
async def ended(platform: Platform, deactivations: Deactivations) -> datetime:
    """The end of a project that was switched off at it, with its content."""
    ends_at = in_days(-1)
    company = await platform.company()
    project = await platform.project(company, slug="ship", expires_at=ends_at)
    await platform.content(company, project, slug="bow")
    await platform.content(company, project, slug="by-hand", is_active=False)
    await deactivations.page(datetime.now(UTC))
    return ends_at


async def test_a_renewal_brings_it_back_and_says_what_it_did(
    http: httpx.AsyncClient, platform: Platform, deactivations: Deactivations, ended: datetime
) -> None:
    response = await http.post(RENEW, json=BODY | {"why": "they paid"})
    assert response.status_code == 200
    answer = response.json()
    assert datetime.fromisoformat(answer.pop("expires_at")) == UNTIL
    assert datetime.fromisoformat(answer.pop("previous_expires_at")) == ended
    assert answer == {
        "slug": "ship",
        "status": "active",
        "reactivated": {"project": True, "contents": 1},
        "skipped_deliveries": 2,
    }
    assert await deactivations.projects() == {"ship": "active"}
    assert await deactivations.contents() == {"bow": "on", "by-hand": "off"}
    [notice] = await platform.notifications()
    assert notice.status == "undelivered"
    assert await platform.rows("SELECT action, operator, why FROM interventions") == [
        {"action": "renew", "operator": "api", "why": "they paid"}
    ]


@pytest.mark.usefixtures("ended")
async def test_the_same_renewal_again_changes_nothing(http: httpx.AsyncClient, platform: Platform) -> None:
    first = await http.post(RENEW, json=BODY)
    second = await http.post(RENEW, json=BODY)
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json()["reactivated"] == {"project": False, "contents": 0}
    assert second.json()["previous_expires_at"] == second.json()["expires_at"]
    assert await platform.scalar("SELECT count(*) FROM interventions") == 1


async def test_what_somebody_else_made_expired_stays_so(http: httpx.AsyncClient, platform: Platform) -> None:
    await platform.project(await platform.company(), slug="ship", status="expired", expires_at=in_days(-1))
    response = await http.post(RENEW, json=BODY)
    assert (response.status_code, response.json()["status"]) == (200, "expired")


async def test_a_time_in_another_zone_is_the_same_moment(http: httpx.AsyncClient, platform: Platform) -> None:
    await platform.project(await platform.company(), slug="ship")
    elsewhere = UNTIL.astimezone(UTC).replace(tzinfo=None) + timedelta(hours=9)
    response = await http.post(RENEW, json={"until": f"{elsewhere.isoformat()}+09:00"})
    assert response.status_code == 200
    assert await platform.scalar("SELECT expires_at FROM projects") == UNTIL


async def test_a_project_that_is_not_there_is_404(http: httpx.AsyncClient) -> None:
    response = await http.post("/projects/nosuch/renew", json=BODY)
    assert is_problem(response, 404)
    assert response.json()["detail"] == "There is no project 'nosuch'."


@pytest.mark.parametrize(
    ("project", "said"),
    [
        ({"status": "archived"}, "archived"),
        ({"expires_at": UNTIL + timedelta(days=1)}, "already ends later"),
    ],
)
async def test_a_conflict_is_409_and_changes_nothing(
    http: httpx.AsyncClient, platform: Platform, project: dict[str, Any], said: str
) -> None:
    await platform.project(await platform.company(), **{"slug": "ship"} | project)
    before = await platform.rows("SELECT xmin::text, * FROM projects")
    response = await http.post(RENEW, json=BODY)
    assert is_problem(response, 409)
    assert said in response.json()["detail"]
    assert await platform.rows("SELECT xmin::text, * FROM projects") == before


async def test_a_fraction_of_a_second_is_cut_off(http: httpx.AsyncClient, platform: Platform) -> None:
    """So an import of the same end without it changes nothing."""
    await platform.project(await platform.company(), slug="ship")
    for fraction in (".417", ".999999", ""):
        until = f"{UNTIL:%Y-%m-%dT%H:%M:%S}{fraction}Z"
        response = await http.post(RENEW, json={"until": until})
        assert response.status_code == 200
        assert datetime.fromisoformat(response.json()["expires_at"]) == UNTIL
    assert await platform.scalar("SELECT expires_at FROM projects") == UNTIL
    assert await platform.scalar("SELECT count(*) FROM interventions WHERE action = 'renew'") == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "until"),
        ({"until": None}, "until"),
        ({"until": "2020-01-01T00:00:00Z"}, "until"),
        ({"until": UNTIL.replace(tzinfo=None).isoformat()}, "until"),
        ({"until": "+365d"}, "until"),
        ({"until": "tomorrow"}, "until"),
        ({"until": UNTIL.timestamp()}, "until"),
        ({"until": str(int(UNTIL.timestamp()))}, "until"),
        ({"until": "9999-12-31T23:59:59-12:00"}, "until"),
        ({"until": "3000-01-01T00:00:00Z"}, "until"),
        ({"until": "0001-01-01T00:00:00Z"}, "until"),
        ({"until": "infinity"}, "until"),
        (BODY | {"why": " "}, "why"),
        (BODY | {"why": "a\0b"}, "why"),
        (BODY | {"by": "me"}, "by"),
        ([], "body"),
    ],
)
async def test_a_body_that_is_wrong_is_422_and_names_the_field(body: object, field: str) -> None:
    async with calling_alone() as alone:
        response = await alone.post(RENEW, json=body)
    assert is_problem(response, 422)
    assert [each["field"] for each in response.json()["errors"]] == [field]


@pytest.mark.parametrize("slug", ["a%00b", "x" * 201])
async def test_a_slug_that_cannot_be_is_422(slug: str) -> None:
    async with calling_alone() as alone:
        assert is_problem(await alone.post(f"/projects/{slug}/renew", json=BODY), 422)


async def test_without_a_key_it_is_401_and_without_a_database_503() -> None:
    async with calling_alone(key=None) as stranger:
        assert is_problem(await stranger.post(RENEW, json=BODY), 401)
    async with calling_alone() as alone:
        assert is_problem(await alone.post(RENEW, json=BODY), 503)


async def test_while_an_import_holds_the_rows_it_is_503_and_changes_nothing(
    http: httpx.AsyncClient, platform: Platform, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_TIMEOUT", 0.5)
    await platform.project(await platform.company(), slug="ship")
    before = await platform.rows("SELECT xmin::text, * FROM projects")
    async with engine.begin() as importing:
        await locks.lock(importing)
        response = await http.post(RENEW, json=BODY)
    assert is_problem(response, 503)
    assert response.json()["detail"] == "The database is busy: try again later."
    assert await platform.rows("SELECT xmin::text, * FROM projects") == before
    assert (await http.post(RENEW, json=BODY)).status_code == 200


async def test_renewals_that_wait_for_an_import_leave_connections_to_others(
    http: httpx.AsyncClient, platform: Platform, engine: AsyncEngine
) -> None:
    await platform.project(await platform.company(), slug="ship")
    async with engine.begin() as importing:
        await locks.lock(importing)
        renewals = [asyncio.create_task(http.post(RENEW, json=BODY)) for _ in range(3 * POOL_SIZE)]
        await somebody_waits(platform)
        for _ in range(3):
            assert (await http.get("/notifications")).status_code == 200
            assert await platform.scalar(WAITING_SESSIONS) <= 1
    answers = await asyncio.gather(*renewals)
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert all(answer.headers["Retry-After"] == "5" for answer in answers if answer.status_code == 503)
    assert (await http.post(RENEW, json=BODY)).status_code == 200


async def test_its_answers_are_documented(http: httpx.AsyncClient) -> None:
    renew = (await http.get("/openapi.json")).json()["paths"]["/projects/{slug}/renew"]["post"]
    assert {"200", "401", "404", "409", "422", "503"} <= renew["responses"].keys()
