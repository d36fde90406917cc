"""What an import makes of what was switched off at its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from csv_import.loading import FileReport
from tests.support.data import Platform
from tests.support.deactivations import Deactivations
from tests.support.importing import ACME, SITE, Import

END = datetime(2026, 12, 1, tzinfo=UTC)
DAY = timedelta(days=1)
RENEWED = SITE.replace("2026-12-01", "2027-12-01")
CONTENTS = (
    "bow,site,Bow,true,",
    "later,site,Later,true,2027-03-01T00:00:00Z",
    "early,site,Early,true,2026-06-01T00:00:00Z",
)


@pytest.fixture
async def run_import(engine: AsyncEngine, tmp_path: Path, deactivations: Deactivations) -> Import:
    """With a project that was switched off at END, and its content with it or at an end of its own."""
    run_import = Import(engine, tmp_path)
    run_import.write(companies=[ACME, "b,B,,,,,,"], projects=SITE, ar_contents=CONTENTS)
    await run_import()
    await deactivations.page(END - 30 * DAY)
    await deactivations.page(END)
    assert await deactivations.projects() == {"site": "expired*"}
    assert set((await deactivations.contents()).values()) == {"off*"}
    return run_import


def only(run_import: Import, **files: Any) -> None:
    """Writes these files and takes the others away."""
    for file in run_import.folder.glob("*.csv"):
        file.unlink()
    run_import.write(**files)


async def test_the_same_lines_leave_it_off(run_import: Import, deactivations: Deactivations) -> None:
    report = await run_import(now=END + DAY)
    assert report.files["projects.csv"] == FileReport(unchanged=1)
    assert report.files["ar_contents.csv"] == FileReport(unchanged=3)
    assert await deactivations.projects() == {"site": "expired*"}


async def test_another_change_leaves_it_off_too(run_import: Import, deactivations: Deactivations) -> None:
    run_import.write(projects=SITE.replace(",Site,", ",The site,"), ar_contents=[CONTENTS[1].replace("Later", "Late")])
    report = await run_import(now=END + DAY)
    assert report.files["projects.csv"] == report.files["ar_contents.csv"] == FileReport(changed=1)
    assert await deactivations.projects() == {"site": "expired*"}
    assert (await deactivations.contents())["later"] == "off*"


async def test_a_new_end_brings_back_the_project_and_what_went_with_it(
    run_import: Import, deactivations: Deactivations
) -> None:
    only(run_import, projects=RENEWED)
    await run_import(now=END + DAY)
    assert await deactivations.projects() == {"site": "active"}
    assert await deactivations.contents() == {"bow": "on", "later": "on", "early": "off*"}


async def test_what_somebody_switched_off_stays_off_when_the_project_comes_back(
    run_import: Import, deactivations: Deactivations
) -> None:
    """Before the project's end or after it: what a line says last, counts."""
    only(run_import, ar_contents="bow,site,Bow,false,")
    await run_import(now=END + DAY)
    assert (await deactivations.contents())["bow"] == "off"
    only(run_import, projects=RENEWED)
    await run_import(now=END + DAY)
    assert await deactivations.contents() == {"bow": "off", "later": "on", "early": "off*"}


async def test_a_new_end_and_another_company_at_once(
    run_import: Import, deactivations: Deactivations, platform: Platform
) -> None:
    only(run_import, projects=RENEWED.replace("acme", "b"))
    await run_import(now=END + DAY)
    assert await deactivations.contents() == {"bow": "on", "later": "on", "early": "off*"}
    owners = await platform.rows("SELECT DISTINCT c.slug FROM ar_contents a JOIN companies c ON c.id = a.company_id")
    assert owners == [{"slug": "b"}]


async def test_content_whose_own_end_passed_meanwhile_stays_off(
    run_import: Import, deactivations: Deactivations
) -> None:
    only(run_import, projects=RENEWED)
    await run_import(now=END + 200 * DAY)
    assert await deactivations.contents() == {"bow": "on", "later": "off*", "early": "off*"}


async def test_a_new_end_of_its_own_brings_content_back(run_import: Import, deactivations: Deactivations) -> None:
    run_import.write(projects=RENEWED, ar_contents="early,site,Early,true,2027-06-01T00:00:00Z")
    await run_import(now=END + DAY)
    assert (await deactivations.contents())["early"] == "on"


async def test_archived_it_is_nobodys_to_bring_back(run_import: Import, deactivations: Deactivations) -> None:
    only(run_import, projects=RENEWED.replace(",active,", ",archived,"))
    await run_import(now=END + DAY)
    assert await deactivations.projects() == {"site": "archived"}
    assert set((await deactivations.contents()).values()) == {"off*"}


async def test_expired_by_its_line_with_a_new_end_it_waits_for_a_renewal(
    run_import: Import, deactivations: Deactivations
) -> None:
    only(run_import, projects=RENEWED.replace(",active,", ",expired,"))
    await run_import(now=END + DAY)
    assert await deactivations.projects() == {"site": "expired*"}


async def test_new_content_of_a_project_that_is_off_waits_for_the_renewal(
    run_import: Import, deactivations: Deactivations
) -> None:
    only(run_import, ar_contents=["new,site,New,true,", "new-off,site,New,false,"])
    await run_import(now=END + DAY)
    states = await deactivations.contents()
    assert (states["new"], states["new-off"]) == ("off*", "off")
    only(run_import, projects=RENEWED)
    await run_import(now=END + DAY)
    states = await deactivations.contents()
    assert (states["new"], states["new-off"]) == ("on", "off")
