"""An end has whole seconds and lies in the years 1970 to 2999, through whatever door it came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from db.items.untold import NoNotice, list_untold
from tests.support.command_line import cli
from tests.support.data import Platform, in_days
from tests.support.deactivations import Deactivations
from tests.support.due_scans import DueScans, at
from tests.support.importing import Import
from tests.support.renewals import Renewals


@pytest.fixture
def run_import(engine: AsyncEngine, tmp_path: Path) -> Import:
    return Import(engine, tmp_path)


FIRST, LAST = at("1970-01-01T00:00"), at("2999-12-31T23:59:59")
FRACTION = timedelta(milliseconds=732)
SQL_ENDS = [
    ("infinity", LAST),
    ("294276-12-31 23:59:59+00", LAST),
    ("3000-01-01 00:00:00+00", LAST),
    ("2999-12-31 23:59:59.9+00", LAST),
    ("2027-06-15 12:00:00.417+00", at("2027-06-15T12:00")),
    ("1969-12-31 23:59:59.9+00", FIRST),
    ("0001-01-01 00:00:00+00", FIRST),
    ("4713-01-01 00:00:00+00 BC", FIRST),
    ("-infinity", FIRST),
]


@pytest.mark.parametrize(("written", "kept"), SQL_ENDS)
async def test_whoever_writes_to_the_tables_writes_whole_ends(platform: Platform, written: str, kept: datetime) -> None:
    company = await platform.company()
    project = await platform.project(company, expires_at=in_days(1))
    content = await platform.content(company, project)
    await platform.notification(project)
    statement = "UPDATE {} SET {} = CAST(CAST(:written AS text) AS timestamptz)"
    for table, column in (
        ("projects", "expires_at"),
        ("projects", "starts_at"),
        ("ar_contents", "expires_at"),
        ("notifications", "item_ends_at"),
    ):
        await platform.execute(statement.format(table, column), written=written)
        assert await platform.scalar(f"SELECT {column} FROM {table}") == kept  # noqa: S608 - ours
    await platform.execute("UPDATE ar_contents SET expires_at = NULL WHERE id = :content", content=content)
    assert await platform.scalar("SELECT expires_at FROM ar_contents") is None


@pytest.fixture
async def strange(platform: Platform) -> list[int]:
    """A project for each of the ends, of a company far west of Greenwich."""
    company = await platform.company(timezone="Pacific/Pago_Pago")
    projects = []
    for number, (written, _) in enumerate(SQL_ENDS):
        await platform.execute(
            "INSERT INTO projects (slug, company_id, name, expires_at, starts_at)"
            " VALUES (:slug, :company, 'x', CAST(CAST(:written AS text) AS timestamptz), '-infinity')",
            slug=f"p{number}",
            company=company,
            written=written,
        )
        projects.append(await platform.scalar("SELECT max(id) FROM projects"))
    return projects


async def test_what_ended_before_1970_is_deactivated_and_what_ends_after_2999_is_not(
    platform: Platform, deactivations: Deactivations, strange: list[int]
) -> None:
    page = await deactivations.page(datetime.now(UTC))
    assert (page.projects, page.opened) == (4, 4)
    statuses = [row["status"] for row in await platform.rows("SELECT status FROM projects ORDER BY id")]
    assert statuses == ["active" if kept > FIRST else "expired" for _, kept in SQL_ENDS]
    assert {each.item_ends_at for each in await platform.notifications()} == {FIRST}


@pytest.mark.usefixtures("strange")
async def test_every_list_shows_them(
    database_url: str, platform: Platform, deactivations: Deactivations, scans: DueScans
) -> None:
    environment = {"DATABASE_URL": database_url}
    assert await scans.find(datetime.now(UTC)) == []
    for command in (["untold"], ["deactivate", "--dry-run"], ["scan", "--dry-run", "--at", "2027-06-15T00:00:00Z"]):
        shown = await cli(*command, "--json", environment=environment)
        assert (shown.status, "Traceback" in shown.err) == (0, False), shown.err
        assert shown.json["items"]
        assert (await cli(*command, environment=environment)).status == 0
    await deactivations.page(datetime.now(UTC))
    for command in (["notifications"], ["deliveries"]):
        shown = await cli(*command, "--json", environment=environment)
        assert (shown.status, len(shown.json["items"])) == (0, 4 if command == ["notifications"] else 8)


async def test_the_same_end_by_import_and_by_renewal_is_the_same_end(
    platform: Platform, scans: DueScans, renew: Renewals, engine: AsyncEngine, run_import: Import
) -> None:
    """The one has a fraction of a second, the other has not: nobody is told twice, and no notice is lost."""
    ends_at = in_days(3)
    run_import.write(companies="acme,Acme,,,,,,", projects=project_line(ends_at))
    now = datetime.now(UTC)
    await run_import(now=now)
    assert len(await scans.open(now)) == 1
    await platform.execute("UPDATE deliveries SET status = 'accepted'")
    await platform.execute("UPDATE projects SET expires_at = :ends_at", ends_at=ends_at + FRACTION)
    renewed = await renew("ship", ends_at + FRACTION)
    assert renewed.changed is False
    run_import.write(projects=project_line(ends_at + FRACTION))
    assert (await run_import(now=now)).files["projects.csv"].unchanged == 1
    assert await scans.open(now) == []
    async with engine.connect() as connection:
        assert await list_untold(connection, timedelta(days=30)) == []


def project_line(ends_at: datetime) -> str:
    return f"ship,acme,Ship,,,{ends_at.isoformat()},,,,,"


async def test_a_notice_skipped_at_the_one_precision_is_told_at_the_other(
    platform: Platform, scans: DueScans, engine: AsyncEngine
) -> None:
    """Found 1, opened 0 in every scan: its end had another fraction than its notification."""
    project = await platform.project(await platform.company())
    now = datetime.now(UTC)
    await scans.open(now)
    await platform.execute("UPDATE deliveries SET status = 'skipped', reason = 'renewed', finished_at = now()")
    await platform.execute("UPDATE notifications SET status = 'undelivered', finished_at = now()")
    await platform.execute("UPDATE projects SET expires_at = expires_at + interval '400 milliseconds'")
    [item] = await scans.find(now)
    assert len(await scans.open(now)) == 1
    [notification] = await platform.notifications()
    assert (notification.project_id, notification.status, notification.item_ends_at) == (project, "open", item.ends_at)
    async with engine.connect() as connection:
        [untold] = await list_untold(connection, timedelta(days=30))
    assert untold.why is not NoNotice.NONE_YET


@pytest.mark.parametrize(
    "until", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "3000-01-01T00:00:00Z", "infinity", "+999999d"]
)
async def test_no_door_takes_another(database_url: str, run_import: Import, until: str) -> None:
    run_import.write(companies="acme,Acme,,,,,,", projects=f"ship,acme,Ship,,,{until},,,,,")
    [fault] = (await run_import()).faults
    assert (fault.column, until in fault.reason) == ("expires_at", True)
    refused = await cli("renew", "ship", "--until", until, "--by", "anna", environment={"DATABASE_URL": database_url})
    assert refused.status == 2
    assert "Traceback" not in refused.err


async def test_relative_times_are_whole_too(platform: Platform, run_import: Import) -> None:
    run_import.write(
        companies="acme,Acme,,,,,,", projects="ship,acme,Ship,,-1d,+7d,,,,,", ar_contents="bow,ship,B,,+3d"
    )
    await run_import(now=datetime(2026, 5, 1, 12, 0, 0, 999_999, tzinfo=UTC))
    [project] = await platform.rows("SELECT starts_at, expires_at FROM projects")
    assert project == {"starts_at": at("2026-04-30T12:00"), "expires_at": at("2026-05-08T12:00")}
    [content] = await platform.rows("SELECT expires_at FROM ar_contents")
    assert content == {"expires_at": at("2026-05-04T12:00")}
