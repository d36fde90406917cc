"""PostgreSQL's time zone rules and the worker's are compared for the zones in use."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from activities.health.findings import Findings
from activities.health.time_zones import CODE, look_at_time_zones
from tests.support.clocks import other_rules
from tests.support.data import Platform

NOW = datetime(2026, 6, 15, 8, tzinfo=UTC)


@pytest.fixture
def oslo_is_tokyo(tmp_path: Path) -> Iterator[None]:
    with other_rules(tmp_path, "Europe/Oslo", rules_of="Asia/Tokyo"):
        yield


async def look(engine: AsyncEngine) -> Findings:
    async with engine.connect() as connection:
        return await look_at_time_zones(connection, NOW)


async def test_zones_with_the_same_rules_are_no_problem(platform: Platform, engine: AsyncEngine) -> None:
    assert await look(engine) == Findings(frozenset({CODE}))
    for zone in ("UTC", "Europe/Oslo", "America/New_York", "Asia/Kolkata"):
        await platform.company(timezone=zone)
    assert await look(engine) == Findings(frozenset({CODE}))


@pytest.mark.usefixtures("oslo_is_tokyo")
async def test_a_zone_in_use_with_other_rules_is_named_with_its_first_day(
    platform: Platform, engine: AsyncEngine
) -> None:
    await platform.company(timezone="Asia/Kolkata")
    assert (await look(engine)).problems == ()
    for _ in range(2):
        await platform.company(timezone="Europe/Oslo")
    [problem] = (await look(engine)).problems
    assert (problem.code, problem.subject) == (CODE, "Time zone rules differ for 1 zone of companies")
    assert "- Europe/Oslo: from 2026-06-15 or earlier\n" in problem.message
    assert "tzdata" in problem.message


async def test_a_zone_that_this_worker_does_not_know_is_named(platform: Platform, engine: AsyncEngine) -> None:
    """As a zone that was made after the worker's rules."""
    await platform.company(timezone="PST")
    [problem] = (await look(engine)).problems
    assert "- PST: not known to this worker\n" in problem.message
