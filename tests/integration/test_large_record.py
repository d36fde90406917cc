"""Whatever runs by itself looks at a large record without walking through it: every five minutes, for years."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.sending import DeliveryStatus, NotificationStatus
from db.items import due, ended, untold
from db.models import Delivery, Notification
from db.operators import problems
from db.record import open as opening
from db.record import retention, stuck, waiting
from db.record.filters import DeliveryFilter, NotificationFilter, Recipient, of_notifications
from db.record.list import deliveries_of
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


@pytest.fixture
async def aged(large: Platform) -> Platform:
    """The same over half a year, with a few deliveries that were refused and what each was sent to."""
    await large.execute(
        "UPDATE notifications SET created_at = now() - (:notices - id) * interval '13 minutes'", notices=NOTICES
    )
    await large.execute(
        "UPDATE deliveries d SET created_at = n.created_at, recipient = 'Anna' || n.id || '@customer.example',"
        " finished_at = CASE WHEN d.status = 'accepted' THEN n.created_at + interval '1 minute' END,"
        " status = CASE WHEN d.id % 4000 = 1 THEN 'rejected' ELSE d.status END,"
        " reason = CASE WHEN d.id % 4000 = 1 THEN 'smtp_rcpt_550' END"
        " FROM notifications n WHERE n.id = d.notification_id"
    )
    await large.execute("ANALYZE")
    return large


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
        (waiting._WAITING, {}),
        (waiting._IN_DOUBT, {}),
    ],
    ids=[
        "ended",
        "refusals",
        "unstarted alerts",
        "old texts",
        "old rows",
        "in doubt",
        "stuck",
        "untold",
        "waiting",
        "in doubt by channel",
    ],
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


HOUR = timedelta(hours=1)
AGO = NOW - timedelta(days=30)


QUESTIONS: list[NotificationFilter | DeliveryFilter] = [
    NotificationFilter(company="company-7"),
    NotificationFilter(project="project-700"),
    NotificationFilter(content="nosuch"),
    NotificationFilter(recipients=[Recipient("email", "Anna700@customer.example", "anna700@customer.example")]),
    NotificationFilter(reason="smtp_rcpt_550"),
    NotificationFilter(status=NotificationStatus.OPEN),
    NotificationFilter(status=NotificationStatus.UNDELIVERED),
    NotificationFilter(since=AGO, until=AGO + HOUR),
    NotificationFilter(until=AGO),
    NotificationFilter(since=NOW - HOUR),
    DeliveryFilter(company="company-7"),
    DeliveryFilter(project="project-700", status=DeliveryStatus.ACCEPTED),
    DeliveryFilter(recipients=[Recipient("email", "Anna700@customer.example", "anna700@customer.example")]),
    DeliveryFilter(reason="smtp_rcpt_550"),
    DeliveryFilter(status=DeliveryStatus.REJECTED),
    DeliveryFilter(status=DeliveryStatus.FAILED, since=NOW - HOUR),
    DeliveryFilter(status=DeliveryStatus.UNKNOWN),
    DeliveryFilter(status=DeliveryStatus.PENDING),
    DeliveryFilter(since=AGO, until=AGO + HOUR),
    DeliveryFilter(until=AGO),
    DeliveryFilter(since=NOW - HOUR),
    DeliveryFilter(notification_id=700),
]


async def test_what_an_operator_asks_is_looked_up(aged: Platform, engine: AsyncEngine) -> None:
    for wanted in QUESTIONS:
        statement = (
            select(Notification.id).where(*of_notifications(wanted)).order_by(Notification.id.desc())
            if isinstance(wanted, NotificationFilter)
            else deliveries_of(wanted).order_by(Delivery.id.desc())
        ).limit(51)
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        compiled = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        async with engine.connect() as connection:
            plan = "\n".join((await connection.execute(text(f"EXPLAIN ANALYZE {compiled}"))).scalars())
        assert "Seq Scan on notifications" not in plan, (wanted, plan)
        assert "Seq Scan on deliveries" not in plan, (wanted, plan)
        for left_out in re.findall(r"Rows Removed by Filter: (\d+)", plan):
            assert int(left_out) < 1000, (wanted, plan)


async def explained(engine: AsyncEngine, statement: Any, parameters: dict[str, object]) -> str:
    explain = text(f"EXPLAIN {statement.text}").bindparams(*statement._bindparams.values())
    async with engine.connect() as connection:
        return "\n".join((await connection.execute(explain, parameters)).scalars())
