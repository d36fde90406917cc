"""What a renewal changes, brings back and leaves, and when it is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from db.items.renew import NoSuchProject, NotRenewable, Reactivated, Renewal
from db.models import ProjectStatus
from tests.support.data import Platform
from tests.support.deactivations import Deactivations
from tests.support.due_scans import at
from tests.support.renewals import Renewals

NOW = at("2026-06-15T12:00")
DAY = timedelta(days=1)
END = NOW - DAY
YEAR = NOW + timedelta(days=365)


@pytest.fixture
async def project(platform: Platform) -> int:
    """Switched off at END, with content of every kind."""
    company = await platform.company()
    project = await platform.project(company, slug="ship", expires_at=END)
    await platform.content(company, project, slug="bow")
    await platform.content(company, project, slug="later", expires_at=NOW + DAY)
    await platform.content(company, project, slug="over", expires_at=NOW - DAY / 2)
    await platform.content(company, project, slug="over-before", expires_at=END - 2 * DAY)
    await platform.content(company, project, slug="by-hand", is_active=False)
    return project


async def interventions(platform: Platform) -> list[dict[str, Any]]:
    return await platform.rows("SELECT action, operator, why, project_id, before FROM interventions ORDER BY id")


async def test_what_was_switched_off_comes_back_and_nothing_else(
    platform: Platform, deactivations: Deactivations, renew: Renewals, project: int
) -> None:
    await deactivations.page(END - DAY)
    await deactivations.page(END)
    await platform.execute("UPDATE notifications SET started_at = now()")
    renewed = await renew("ship", YEAR, NOW)
    # The content that ended the day before has a notice of its own, which stays true.
    assert renewed == Renewal("ship", ProjectStatus.ACTIVE, YEAR, END, Reactivated(True, 2), skipped_deliveries=2)
    assert await deactivations.projects() == {"ship": "active"}
    assert await deactivations.contents() == {
        "bow": "on",
        "later": "on",
        "over": "off*",
        "over-before": "off*",
        "by-hand": "off",
    }
    assert await platform.scalar("SELECT expires_at FROM projects") == YEAR
    assert await interventions(platform) == [
        {
            "action": "renew",
            "operator": "anna",
            "why": "they paid",
            "project_id": project,
            "before": {"expires_at": END.isoformat(), "status": "expired"},
        }
    ]


@pytest.mark.usefixtures("project")
async def test_a_renewal_before_the_end_moves_the_end_and_nothing_else(
    platform: Platform, deactivations: Deactivations, renew: Renewals
) -> None:
    await deactivations.page(END - DAY)
    contents = await deactivations.contents()
    renewed = await renew("ship", YEAR, END - DAY / 2)
    assert renewed == Renewal("ship", ProjectStatus.ACTIVE, YEAR, END, Reactivated(False, 0), 0)
    assert await deactivations.contents() == contents
    assert (await interventions(platform))[0]["before"]["status"] == "active"
    await deactivations.page(END + DAY / 4)
    assert await deactivations.projects() == {"ship": "active"}


@pytest.mark.usefixtures("project")
async def test_the_same_end_again_changes_nothing(
    platform: Platform, deactivations: Deactivations, renew: Renewals
) -> None:
    await deactivations.page(END)
    first = await renew("ship", YEAR, NOW)
    rows = await platform.rows("SELECT xmin::text, * FROM projects")
    second = await renew("ship", YEAR, NOW + DAY)
    assert (first.changed, second.changed) == (True, False)
    assert second == Renewal("ship", ProjectStatus.ACTIVE, YEAR, YEAR, Reactivated(False, 0), 0)
    assert await platform.rows("SELECT xmin::text, * FROM projects") == rows
    assert len(await interventions(platform)) == 1


async def test_a_project_that_somebody_else_made_expired_stays_so(
    platform: Platform, deactivations: Deactivations, renew: Renewals
) -> None:
    company = await platform.company()
    project = await platform.project(company, slug="ship", status="expired", expires_at=END)
    await platform.content(company, project, slug="bow", is_active=False)
    renewed = await renew("ship", YEAR, NOW)
    assert renewed == Renewal("ship", ProjectStatus.EXPIRED, YEAR, END, Reactivated(False, 0), 0)
    assert await deactivations.projects() == {"ship": "expired"}
    assert await deactivations.contents() == {"bow": "off"}


async def test_what_cannot_be_renewed_is_refused_and_stays(platform: Platform, renew: Renewals) -> None:
    company = await platform.company()
    await platform.project(company, slug="old", status="archived", expires_at=END)
    await platform.project(company, slug="long", expires_at=YEAR + DAY)
    with pytest.raises(NoSuchProject, match="There is no project 'nosuch'"):
        await renew("nosuch", YEAR, NOW)
    with pytest.raises(NotRenewable, match="'old' is archived"):
        await renew("old", YEAR, NOW)
    with pytest.raises(NotRenewable, match=r"'long' already ends later, at 2027-06-16 12:00:00 UTC\. .* import it"):
        await renew("long", YEAR, NOW)
    assert await platform.rows("SELECT expires_at FROM projects ORDER BY id") == [
        {"expires_at": END},
        {"expires_at": YEAR + DAY},
    ]
    assert await interventions(platform) == []


async def test_renewed_and_ended_again_it_is_told_anew(
    platform: Platform, deactivations: Deactivations, renew: Renewals, project: int
) -> None:
    await deactivations.page(NOW)
    await renew("ship", YEAR, NOW)
    await deactivations.page(YEAR)
    assert await deactivations.projects() == {"ship": "expired*"}
    assert (await deactivations.contents())["bow"] == "off*"
    told = [each for each in await deactivations.notices() if each.startswith("expired.project")]
    assert told == [f"expired.project-{project}.20260614T120000Z", f"expired.project-{project}.20270615T120000Z"]
