"""AR content with an end of its own is renewed by itself: in the database, by the API, by the command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from db.items.renew import NotRenewable
from db.items.renew_content import ContentRenewal, NoSuchContent, renew_content
from settings import Settings
from tests.support.calling_api import NOBODY_LISTENS, calling, calling_alone, is_problem, temporal_at
from tests.support.command_line import cli
from tests.support.data import Platform, in_days
from tests.support.deactivations import Deactivations
from tests.support.due_scans import at
from tests.support.renewals import Renewals

NOW = at("2026-06-15T12:00")
DAY = timedelta(days=1)
END = NOW - DAY
MONTH = NOW + 30 * DAY
YEAR = NOW + 365 * DAY
UNTIL = in_days(20).replace(microsecond=0)
RENEW = "/contents/bow/renew"
BODY = {"until": UNTIL.isoformat()}


@pytest.fixture
async def project(platform: Platform) -> int:
    """A project that ends in a year, with content of which two have an end of their own."""
    company = await platform.company()
    project = await platform.project(company, slug="ship", expires_at=YEAR)
    await platform.content(company, project, slug="bow", expires_at=END)
    await platform.content(company, project, slug="stern", expires_at=END)
    await platform.content(company, project, slug="deck")
    return project


async def renewed(platform: Platform, slug: str = "bow", until: Any = MONTH) -> ContentRenewal:
    async with platform.engine.begin() as connection:
        return await renew_content(connection, slug, until, NOW, "anna", "they paid")


async def ends(platform: Platform) -> dict[str, Any]:
    return {row["slug"]: row["expires_at"] for row in await platform.rows("SELECT slug, expires_at FROM ar_contents")}


async def test_what_was_deactivated_comes_back_and_nothing_else(
    platform: Platform, deactivations: Deactivations, project: int
) -> None:
    await deactivations.page(NOW)
    assert await deactivations.contents() == {"bow": "off*", "stern": "off*", "deck": "on"}
    result = await renewed(platform)
    assert result == ContentRenewal("bow", "ship", True, MONTH, END, None, True, skipped_deliveries=2)
    assert await deactivations.contents() == {"bow": "on", "stern": "off*", "deck": "on"}
    assert await ends(platform) == {"bow": MONTH, "stern": END, "deck": None}
    assert await platform.scalar("SELECT expires_at FROM projects") == YEAR
    assert {each.dedupe_key.split(".")[1]: each.status for each in await platform.notifications()} == {
        f"content-{number}": status
        for number, status in zip(
            [row["id"] for row in await platform.rows("SELECT id FROM ar_contents WHERE slug <> 'deck' ORDER BY id")],
            ["undelivered", "open"],
            strict=True,
        )
    }
    assert await platform.rows("SELECT action, operator, why, project_id, before FROM interventions") == [
        {
            "action": "renew",
            "operator": "anna",
            "why": "they paid",
            "project_id": project,
            "before": {"ar_content": "bow", "expires_at": END.isoformat(), "is_active": False},
        }
    ]


@pytest.mark.usefixtures("project")
async def test_the_same_end_again_changes_nothing(platform: Platform) -> None:
    assert (await renewed(platform)).changed
    rows = await platform.rows("SELECT xmin::text, * FROM ar_contents ORDER BY id")
    assert not (await renewed(platform)).changed
    assert await platform.rows("SELECT xmin::text, * FROM ar_contents ORDER BY id") == rows
    assert await platform.scalar("SELECT count(*) FROM interventions") == 1


async def test_warnings_of_the_old_end_are_skipped_and_all_others_left(platform: Platform, project: int) -> None:
    content = await platform.scalar("SELECT id FROM ar_contents WHERE slug = 'bow'")
    other = await platform.scalar("SELECT id FROM ar_contents WHERE slug = 'stern'")
    await platform.execute("UPDATE ar_contents SET expires_at = expires_at + interval '3 days'")
    old = await platform.notification(project, ar_content_id=content, item_ends_at=END + 3 * DAY)
    left = [
        await platform.notification(project, ar_content_id=content, item_ends_at=MONTH),
        await platform.notification(project, ar_content_id=other, item_ends_at=END + 3 * DAY),
        await platform.notification(project),
    ]
    assert (await renewed(platform)).skipped_deliveries == 2
    assert {each.id: each.status for each in await platform.notifications()} == {
        old: "undelivered",
        **dict.fromkeys(left, "open"),
    }


@pytest.mark.usefixtures("project")
async def test_content_that_somebody_switched_off_gets_its_end_and_stays_off(
    platform: Platform, deactivations: Deactivations
) -> None:
    await platform.execute("UPDATE ar_contents SET is_active = false WHERE slug = 'bow'")
    result = await renewed(platform)
    assert (result.is_active, result.reactivated, result.expires_at) == (False, False, MONTH)
    assert (await deactivations.contents())["bow"] == "off"


@pytest.mark.usefixtures("project")
async def test_it_is_said_that_it_ends_with_its_project_if_that_comes_first(platform: Platform) -> None:
    assert (await renewed(platform, until=YEAR)).ends_with_project_at is None
    assert (await renewed(platform, until=YEAR + DAY)).ends_with_project_at == YEAR
    await platform.execute("UPDATE projects SET auto_renew = true")
    assert (await renewed(platform, until=YEAR + 2 * DAY)).ends_with_project_at is None


@pytest.mark.parametrize(
    ("change", "slug", "said"),
    [
        ("", "deck", "'deck' has no end of its own: it ends with its project 'ship'. Renew the project."),
        ("UPDATE projects SET status = 'archived'", "bow", "its project 'ship' is archived. Import the project"),
        ("UPDATE projects SET status = 'expired'", "bow", "its project 'ship' has ended. Renew the project first."),
        ("UPDATE projects SET expires_at = '2026-06-14'", "bow", "its project 'ship' has ended. Renew the project"),
        ("UPDATE ar_contents SET expires_at = '2026-12-01Z'", "bow", "already ends later, at 2026-12-01 00:00:00 UTC"),
    ],
)
@pytest.mark.usefixtures("project")
async def test_what_cannot_be_renewed_is_refused_and_stays(
    platform: Platform, change: str, slug: str, said: str
) -> None:
    if change:
        await platform.execute(change)
    before = await platform.rows("SELECT xmin::text, * FROM ar_contents ORDER BY id")
    with pytest.raises(NotRenewable) as refused:
        await renewed(platform, slug)
    assert said in str(refused.value)
    assert await platform.rows("SELECT xmin::text, * FROM ar_contents ORDER BY id") == before
    assert await platform.scalar("SELECT count(*) FROM interventions") == 0


async def test_content_that_is_not_there_is_said_so(platform: Platform) -> None:
    with pytest.raises(NoSuchContent, match="There is no AR content 'bow'"):
        await renewed(platform)


async def test_a_project_renewed_first_lets_its_content_be_renewed(
    platform: Platform, deactivations: Deactivations, renew: Renewals
) -> None:
    company = await platform.company()
    project = await platform.project(company, slug="ship", expires_at=END)
    await platform.content(company, project, slug="bow", expires_at=END - DAY)
    await deactivations.page(NOW)
    with pytest.raises(NotRenewable):
        await renewed(platform)
    await renew("ship", YEAR, NOW)
    assert await deactivations.contents() == {"bow": "off*"}
    await renewed(platform)
    assert await deactivations.contents() == {"bow": "on"}


@pytest.fixture
async def http(settings: Settings, engine: AsyncEngine) -> AsyncIterator[httpx.AsyncClient]:
    """No Temporal answers: a renewal needs none."""
    async with calling(settings, engine, await temporal_at(NOBODY_LISTENS)) as http:
        yield http


@pytest.fixture
async def current(platform: Platform) -> None:
    """A project that ends in ten days, with content of which one has an end of its own."""
    company = await platform.company()
    project = await platform.project(company, slug="ship", expires_at=in_days(10))
    await platform.content(company, project, slug="bow", expires_at=in_days(2))
    await platform.content(company, project, slug="deck")


@pytest.mark.usefixtures("current")
async def test_the_api_renews_it_and_says_what_it_did(http: httpx.AsyncClient, platform: Platform) -> None:
    response = await http.post(RENEW, json=BODY | {"why": "they paid"})
    assert response.status_code == 200
    answer = response.json()
    assert answer["expires_at"].replace("Z", "+00:00") == UNTIL.isoformat()
    assert answer.pop("ends_with_project_at") > answer.pop("previous_expires_at")
    assert {name: value for name, value in answer.items() if name != "expires_at"} == {
        "slug": "bow",
        "project": "ship",
        "is_active": True,
        "reactivated": False,
        "skipped_deliveries": 0,
    }
    assert (await ends(platform))["bow"] == UNTIL
    assert await platform.rows("SELECT operator, why FROM interventions") == [{"operator": "api", "why": "they paid"}]


@pytest.mark.usefixtures("current")
async def test_the_api_tells_what_is_not_there_from_what_cannot_be_renewed(http: httpx.AsyncClient) -> None:
    missing = await http.post("/contents/nosuch/renew", json=BODY)
    assert is_problem(missing, 404)
    assert missing.json()["detail"] == "There is no AR content 'nosuch'."
    without_end = await http.post("/contents/deck/renew", json=BODY)
    assert is_problem(without_end, 409)
    assert "Renew the project." in without_end.json()["detail"]


async def test_the_api_asks_for_a_key_and_for_a_time_in_the_future() -> None:
    async with calling_alone(key=None) as stranger:
        assert is_problem(await stranger.post(RENEW, json=BODY), 401)
    async with calling_alone() as alone:
        assert is_problem(await alone.post(RENEW, json={"until": "2020-01-01T00:00:00Z"}), 422)


async def test_its_answers_are_documented(http: httpx.AsyncClient) -> None:
    renew = (await http.get("/openapi.json")).json()["paths"]["/contents/{slug}/renew"]["post"]
    assert {"200", "401", "404", "409", "422", "503"} <= renew["responses"].keys()


@pytest.mark.usefixtures("current")
async def test_the_command_renews_it_and_says_so(platform: Platform, database_url: str) -> None:
    environment = {"DATABASE_URL": database_url}
    sooner = await cli("renew", "--content", "bow", "--until", "+5d", "--why", "they paid", environment=environment)
    later = await cli("renew", "--content", "bow", "--until", BODY["until"], environment=environment)
    again = await cli("renew", "--content", "bow", "--until", BODY["until"], "--json", environment=environment)
    refused = await cli("renew", "--content", "deck", "--until", "+5d", environment=environment)
    assert [sooner.status, later.status, again.status, refused.status] == [0, 0, 0, 1], sooner.err + later.err
    assert sooner.out.startswith("bow now ends at ")
    assert sooner.out.count("\n") == 1
    assert "But its project ship ends earlier" not in sooner.out
    assert "But its project ship ends earlier, at " in later.out
    assert (again.json["project"], again.json["reactivated"]) == ("ship", False)
    assert refused.err.endswith("it ends with its project 'ship'. Renew the project.\n")
    assert (await ends(platform))["bow"] == UNTIL


@pytest.mark.parametrize("items", [[], ["ship", "--content", "bow"]])
async def test_the_command_takes_one_item(items: list[str]) -> None:
    ended = await cli("renew", *items, "--until", "+5d")
    assert (ended.status, ended.out) == (2, "")
    assert "give either a project's SLUG or --content SLUG" in ended.err
