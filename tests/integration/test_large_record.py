"""Whatever runs by itself looks at a large record without walking through it: every five minutes, for years."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.items import due, ended, untold
from db.operators import problems
from db.record import open as opening
from db.record import retention, stuck
from tests.support.data import Platform

NOTICES = 20_000


@pytest.fixture
async def large(platform: Platform) -> Platform:
    """As many notices that are over, a hundredth as many under way, and what the planner should know of it."""
    await platform.execute(
        "INSERT INTO companies (slug, name) SELECT 'company-' || i, 'x' FROM generate_series(1, 100) i"
    )
    await platform.execute(
        "INSERT INTO projects (slug, company_id, name, expires_at)"
        " SELECT 'project-' || i, (SELECT min(id) FROM companies) + i % 100, 'x', now() + i * interval '5 minutes'"
        " FROM generate_series(1, :notices) i",
        notices=NOTICES,
    )
    await platform.execute(
        "INSERT INTO notifications (company_id, project_id, notification_type, item_ends_at, give_up_at, dedupe_key,"
        " workflow_id, started_at, status, finished_at)"
        " SELECT company_id, id, 'expiring', expires_at, expires_at, slug, slug, now(),"
        " CASE WHEN id % 100 = 0 THEN 'open' ELSE 'delivered' END,"
        " CASE WHEN id % 100 > 0 THEN now() END FROM projects"
    )
    await platform.execute(
        "INSERT INTO deliveries (notification_id, channel, status, sending_at)"
        " SELECT id, channel, CASE WHEN status = 'open' THEN 'sending' ELSE 'accepted' END, now()"
        " FROM notifications CROSS JOIN unnest(ARRAY['email', 'telegram']) AS channel"
    )
    await platform.execute("INSERT INTO problems (code, channel, subject) VALUES ('smtp_auth_535', 'email', 'x')")
    await platform.execute("ANALYZE")
    return platform


NOW = datetime.now(UTC)
DUE_RULES = due.DueRules(NOW, NOW, [30, 7, 1], NOW - timedelta(days=1))


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        (ended._FIND_ENDED, ended._parameters(ended.DeactivationRules(NOW, NOW, NOW), 1000)),
        (problems._REFUSALS, {"away_codes": ["smtp_away"]}),
        (problems._UNSTARTED, {}),
        (retention._REMOVE_TEXTS, {"before": NOW - timedelta(days=1), "limit": 500}),
        (retention._REMOVE_RECORDS, {"before": NOW - timedelta(days=1), "limit": 500, "after": 0}),
        (stuck._IN_DOUBT, {}),
        (stuck._STUCK, {"channels": ["email"], "longest": [timedelta(hours=1)], "default": timedelta(hours=2)}),
        (
            untold._UNTOLD,
            {"within": timedelta(days=3), "only_problems": True, "last_chance_before": None, "limit": 10},
        ),
    ],
    ids=["ended", "refusals", "unstarted alerts", "old texts", "old rows", "in doubt", "stuck", "untold"],
)
async def test_it_looks_up_what_it_needs(
    large: Platform, engine: AsyncEngine, statement: Any, parameters: dict[str, object]
) -> None:
    plan = await explained(engine, statement, parameters)
    assert "Seq Scan on notifications" not in plan, plan
    assert "Seq Scan on deliveries" not in plan, plan


async def test_the_scan_looks_up_what_was_told_of_each_item(large: Platform, engine: AsyncEngine) -> None:
    """It may read once for a page who was told lately, and never again for each item."""
    plan = await explained(engine, due._FIND_DUE, due._parameters(DUE_RULES, 1000, due.FIRST_PAGE))
    assert "Index Scan using ix_notifications_item on notifications n " in plan, plan
    assert "Materialize" not in plan, plan


async def test_opening_looks_up_the_contacts_of_each_company(large: Platform, engine: AsyncEngine) -> None:
    await large.execute(
        "INSERT INTO contacts (company_id, channel, address, address_key, source)"
        " SELECT id, 'sms', number, number, 'api' FROM companies CROSS JOIN generate_series(1, 100) AS number"
    )
    await large.execute("ANALYZE contacts")
    columns: dict[str, list[object]] = {column: [] for column in opening._COLUMNS}
    parameters = {"notification_type": "expiring", "scan_at": NOW, **columns}
    plan = await explained(engine, opening._OPEN, parameters)
    assert "Seq Scan on contacts" not in plan, plan


async def explained(engine: AsyncEngine, statement: Any, parameters: dict[str, object]) -> str:
    explain = text(f"EXPLAIN {statement.text}").bindparams(*statement._bindparams.values())
    async with engine.connect() as connection:
        return "\n".join((await connection.execute(explain, parameters)).scalars())
