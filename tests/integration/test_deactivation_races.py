"""What happens at the same time as a deactivation."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.deactivating import DeactivateEndedResult
from db import locks
from tests.support.data import Platform
from tests.support.deactivations import Deactivations
from tests.support.due_scans import at
from tests.support.locks import somebody_waits

NOW = at("2026-06-15T12:00")
ENDED = NOW - timedelta(hours=1)
CHANGES = {
    "renewed": "UPDATE projects SET expires_at = '2027-06-15T12:00Z'",
    "renewed, over again": "UPDATE projects SET expires_at = expires_at - interval '1 hour'",
    "archived": "UPDATE projects SET status = 'archived'",
    "renews itself": "UPDATE projects SET auto_renew = true",
}


@pytest.fixture
async def company(platform: Platform) -> int:
    company = await platform.company()
    project = await platform.project(company, slug="ship", expires_at=ENDED)
    await platform.content(company, project, slug="bow")
    return company


@pytest.mark.usefixtures("company")
@pytest.mark.parametrize("change", CHANGES)
async def test_a_project_that_changes_after_the_page_was_read_is_left(
    platform: Platform, deactivations: Deactivations, change: str
) -> None:
    page = await deactivations.find(NOW)
    await platform.execute(CHANGES[change])
    before = await deactivations.projects()
    deactivated = await deactivations.deactivate(NOW, page)
    assert (deactivated.projects, deactivated.contents, deactivated.to_be_told) == (0, 0, [])
    assert await deactivations.projects() == before
    assert await deactivations.contents() == {"bow": "on"}


@pytest.mark.usefixtures("company")
@pytest.mark.parametrize("change", CHANGES)
async def test_a_project_that_is_being_changed_is_waited_for_and_left(
    platform: Platform, deactivations: Deactivations, engine: AsyncEngine, change: str
) -> None:
    """The lock looks at the row as it was committed, not as the page had it."""
    async with engine.begin() as changing:
        await changing.execute(text(CHANGES[change]))
        running = asyncio.create_task(deactivations.page(NOW))
        await somebody_waits(platform)
    assert await running == DeactivateEndedResult(1, 0, 0, 0, more=False)
    assert await deactivations.contents() == {"bow": "on"}
    assert await platform.notifications() == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ar_contents SET expires_at = '2027-06-15T12:00Z' WHERE slug = 'stern'",
        "UPDATE ar_contents SET is_active = false WHERE slug = 'stern'",
    ],
)
async def test_content_that_is_being_changed_is_waited_for_and_left(
    platform: Platform, deactivations: Deactivations, engine: AsyncEngine, company: int, change: str
) -> None:
    project = await platform.project(company, slug="mill", expires_at=NOW + timedelta(days=9))
    await platform.content(company, project, slug="stern", expires_at=ENDED)
    async with engine.begin() as changing:
        await changing.execute(text(change))
        running = asyncio.create_task(deactivations.page(NOW))
        await somebody_waits(platform)
    assert await running == DeactivateEndedResult(2, 1, 1, 1, more=False)
    assert (await deactivations.contents())["bow"] == "off*"
    assert (await deactivations.contents())["stern"] in ("on", "off")


async def test_two_at_once_open_one_notice(platform: Platform, deactivations: Deactivations, company: int) -> None:
    for number in range(20):
        project = await platform.project(company, expires_at=ENDED - timedelta(days=number))
        await platform.content(company, project, expires_at=ENDED - timedelta(days=number + 1))
    pages = await asyncio.gather(*(deactivations.page(NOW) for _ in range(4)))
    assert sum(page.projects for page in pages) == 21
    assert sum(page.contents for page in pages) == 21
    assert sum(page.opened for page in pages) == len(await deactivations.notices()) == 41


@pytest.mark.usefixtures("company")
async def test_of_two_that_have_read_the_same_page_the_second_finds_it_done(deactivations: Deactivations) -> None:
    page = await deactivations.find(NOW)
    first = await deactivations.deactivate(NOW, page)
    second = await deactivations.deactivate(NOW, page)
    assert (first.projects, first.contents) == (1, 1)
    assert (second.projects, second.contents, second.to_be_told) == (0, 0, [])


@pytest.mark.usefixtures("company")
async def test_it_waits_for_an_import_and_looks_at_what_that_has_written(
    platform: Platform, deactivations: Deactivations, engine: AsyncEngine
) -> None:
    """The import has not come to the row yet."""
    async with engine.begin() as importing:
        await locks.lock(importing)
        running = asyncio.create_task(deactivations.page(NOW))
        await somebody_waits(platform)
        await importing.execute(text(CHANGES["renewed"]))
    assert (await running).projects == 0
    assert await deactivations.projects() == {"ship": "active"}
