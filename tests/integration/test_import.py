"""Loading CSV files into PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from csv_import.loading import BATCH, FileChanged, FileReport, ImportReport, NothingToImport, import_folder
from tests.support.data import Platform
from tests.support.importing import ACME, BOW, KINDS, NOW, SITE, Import


@pytest.fixture
def run_import(engine: AsyncEngine, tmp_path: Path) -> Import:
    return Import(engine, tmp_path)


def messages(report: ImportReport) -> list[str]:
    return [str(fault) for fault in report.faults]


async def test_the_three_files_become_rows_that_belong_together(run_import: Import) -> None:
    run_import.write(companies=ACME, projects=SITE, ar_contents=BOW)
    report = await run_import()
    assert report.files == {name + ".csv": FileReport(new=1) for name in KINDS}
    assert (report.bad, report.loaded, report.missing) == (0, True, [])
    assert await run_import.rows("companies", "slug, name, timezone") == [("acme", "Acme", "Europe/Oslo")]
    assert await run_import.rows("contacts", "channel, address, address_key, enabled, source", "id") == [
        ("email", "owner@acme.example", "owner@acme.example", True, "import"),
        ("telegram", "1000", "1000", True, "import"),
    ]
    assert await run_import.rows(
        "projects", "slug, status, expires_at, subscription_type, notify_before_expiry_days, tags, metadata"
    ) == [("site", "active", datetime(2026, 12, 1, tzinfo=UTC), "annual", [30, 7], ["a", "b"], {})]
    async with run_import.engine.connect() as connection:
        assert await connection.scalar(
            text(
                "SELECT count(*) FROM ar_contents a JOIN projects p ON p.id = a.project_id"
                " JOIN companies c ON c.id = p.company_id AND c.id = a.company_id"
                " WHERE (a.slug, p.slug, c.slug) = ('bow', 'site', 'acme')"
            )
        )


async def test_importing_twice_writes_nothing_the_second_time(run_import: Import) -> None:
    run_import.write(companies=ACME, projects=SITE, ar_contents=BOW)
    await run_import()
    before = [await run_import.rows(table, "xmin, xmax, *", "id") for table in (*KINDS, "contacts")]
    report = await run_import(now=NOW + timedelta(days=1))
    assert report.files == {name + ".csv": FileReport(unchanged=1) for name in KINDS}
    assert [await run_import.rows(table, "xmin, xmax, *", "id") for table in (*KINDS, "contacts")] == before


async def test_a_changed_line_updates_its_row_and_no_other(run_import: Import) -> None:
    run_import.write(companies=[ACME, "b,B,,,,,,"], projects=SITE)
    await run_import()
    run_import.write(companies=["acme,Acme & Co,,,,,,", "b,B,,,,,,"], projects=SITE.replace("2026-12-01", "2027-12-01"))
    report = await run_import()
    assert report.files == {
        "companies.csv": FileReport(changed=1, unchanged=1),
        "projects.csv": FileReport(changed=1),
    }
    assert await run_import.rows("companies", "name") == [("Acme & Co",), ("B",)]
    assert await run_import.rows("contacts", "address", "id") == [(None,)] * 4
    assert await run_import.rows("projects", "expires_at") == [(datetime(2027, 12, 1, tzinfo=UTC),)]


async def test_a_new_address_changes_the_contact_in_place_and_counts_as_a_change(
    run_import: Import, platform: Platform
) -> None:
    """So an open delivery follows the correction."""
    run_import.write(companies=[ACME, "b,B,,,,,,"])
    await run_import()
    before = await run_import.rows("contacts", "id", "id")
    run_import.write(companies=[ACME.replace("owner@", "Anna@"), "b,B,,,,,false,"])
    report = await run_import()
    assert report.files == {"companies.csv": FileReport(changed=2)}
    assert await run_import.rows("contacts", "id", "id") == before
    assert await run_import.rows("contacts", "channel, address, address_key, enabled", "id") == [
        ("email", "Anna@acme.example", "anna@acme.example", True),
        ("telegram", "1000", "1000", True),
        ("email", None, None, False),
        ("telegram", None, None, True),
    ]


async def test_an_import_leaves_the_contacts_of_others_and_repeats_none_of_their_addresses(
    run_import: Import, platform: Platform
) -> None:
    run_import.write(companies=ACME)
    await run_import()
    company = await platform.scalar("SELECT id FROM companies")
    await platform.contact(company, "email", "anna@acme.example", source="api", enabled=False)
    await platform.contact(company, "sms", "+47", source="api")
    run_import.write(companies=ACME.replace("owner@", "Anna@"))
    assert (await run_import()).files == {"companies.csv": FileReport(changed=1)}
    assert await run_import.rows("contacts", "source, channel, address, enabled", "id") == [
        ("import", "email", None, True),
        ("import", "telegram", "1000", True),
        ("api", "email", "anna@acme.example", False),
        ("api", "sms", "+47", True),
    ]
    assert (await run_import()).files == {"companies.csv": FileReport(unchanged=1)}
    await platform.execute("DELETE FROM contacts WHERE source = 'api'")
    await run_import()
    assert await run_import.rows("contacts", "address", "id") == [("Anna@acme.example",), ("1000",)]


async def test_a_row_that_no_line_names_stays(run_import: Import) -> None:
    run_import.write(companies=[ACME, "b,B,,,,,,"])
    await run_import()
    run_import.write(companies=ACME)
    await run_import()
    assert await run_import.rows("companies", "slug") == [("acme",), ("b",)]


async def test_empty_fields_take_the_tables_defaults(run_import: Import, platform: Platform) -> None:
    company = await platform.company(contact_email=None, telegram_chat_id=None)
    project = await platform.project(company, expires_at=NOW)
    await platform.content(company, project)
    run_import.write(companies="x,X,,,,,,", projects=f"x,x,X,,,{NOW.isoformat()},,,,,", ar_contents="x,x,X,,")
    assert (await run_import()).bad == 0
    for table, columns in {
        "companies": "locale, timezone",
        "projects": "status, starts_at, expires_at, auto_renew, subscription_type, notify_before_expiry_days, tags,"
        " metadata, last_notification_sent_at",
        "ar_contents": "is_active, expires_at",
    }.items():
        by_default, imported = await run_import.rows(table, columns)
        assert imported == by_default


async def test_quiet_hours_are_set_kept_and_cleared_by_the_optional_column(run_import: Import, tmp_path: Path) -> None:
    """A file without the column says nothing of them."""
    companies = tmp_path / "companies.csv"

    async def quiet_hours_after(*fields: str) -> list[Any]:
        run_import.write(companies=[ACME, "b,B,,,,,,"])
        if fields:
            lines = companies.read_text(encoding="utf-8").splitlines()
            companies.write_text(
                "\n".join(f"{line},{field}" for line, field in zip(lines, ("quiet_hours", *fields), strict=True))
            )
        assert (report := await run_import()).bad == 0, messages(report)
        return await run_import.rows("companies", "quiet_from, quiet_until")

    night, noon, none = (time(21), time(8)), (time(12), time(13, 30)), (None, None)
    assert await quiet_hours_after() == [none, none]
    assert await quiet_hours_after("21:00-08:00", "") == [night, none]
    assert await quiet_hours_after() == [night, none]
    assert await quiet_hours_after("12:00-13:30", "21:00-08:00") == [noon, night]
    before = await run_import.rows("companies", "xmin, xmax, *")
    assert await quiet_hours_after("12:00-13:30", "21:00-08:00") == [noon, night]
    assert await run_import.rows("companies", "xmin, xmax, *") == before
    assert await quiet_hours_after("", "21:00-08:00") == [none, night]


async def test_a_relative_time_counts_from_the_first_import_and_is_kept(run_import: Import) -> None:
    run_import.write(companies=ACME, projects="site,acme,Site,,-2h,+7d,,,,,", ar_contents="bow,site,Bow,,+90m")
    await run_import()
    run_import.write(projects="site,acme,Renamed,,-1h,+30d,,,,,", ar_contents="bow,site,Renamed,,+1d")
    report = await run_import(now=NOW + timedelta(days=3))
    assert report.files["projects.csv"] == FileReport(changed=1)
    assert await run_import.rows("projects", "name, starts_at, expires_at") == [
        ("Renamed", NOW - timedelta(hours=2), NOW + timedelta(days=7))
    ]
    assert await run_import.rows("ar_contents", "title, expires_at") == [("Renamed", NOW + timedelta(minutes=90))]


async def test_a_relative_time_fills_in_what_a_row_does_not_have(run_import: Import) -> None:
    run_import.write(companies=ACME, projects=SITE, ar_contents=BOW)
    await run_import()
    run_import.write(projects=SITE.replace("active,,", "active,-2h,"), ar_contents="bow,site,Bow,true,+1d")
    await run_import()
    assert await run_import.rows("projects", "starts_at") == [(NOW - timedelta(hours=2),)]
    assert await run_import.rows("ar_contents", "expires_at") == [(NOW + timedelta(days=1),)]


async def test_an_absolute_time_moves_what_was_relative(run_import: Import) -> None:
    run_import.write(companies=ACME, projects="site,acme,Site,,,+7d,,,,,")
    await run_import()
    run_import.write(projects="site,acme,Site,,,2027-01-01T00:00:00+01:00,,,,,")
    await run_import()
    assert await run_import.rows("projects", "expires_at") == [(datetime(2026, 12, 31, 23, tzinfo=UTC),)]


async def test_a_bad_line_is_named_and_the_good_ones_are_loaded(run_import: Import) -> None:
    run_import.write(companies=ACME, projects=["x,acme,X,,,tomorrow,,,,,", SITE, "y,nobody,Y,,,+1d,,,,,"])
    report = await run_import()
    assert messages(report) == [
        "projects.csv:2: expires_at: 'tomorrow' is not a time: write ISO 8601 with offset or +7d",
        "projects.csv:4: company_slug: 'nobody' is neither in companies.csv nor in the database",
    ]
    assert report.files["projects.csv"] == FileReport(new=1, bad=2)
    assert await run_import.rows("projects", "slug") == [("site",)]


async def test_a_line_that_refers_to_a_bad_line_is_named_even_if_the_row_is_there(run_import: Import) -> None:
    run_import.write(companies=ACME)
    await run_import()
    run_import.write(
        companies=["acme,Acme,nowhere,,,,,", "b,B,,,,,,"],
        projects=[SITE, "other,b,Other,,,+1d,,,,,"],
        ar_contents=[BOW, "oars,other,Oars,,"],
    )
    report = await run_import()
    assert messages(report)[1:] == [
        "projects.csv:2: company_slug: 'acme' was not loaded: its line in companies.csv is bad",
        "ar_contents.csv:2: project_slug: 'site' was not loaded: its line in projects.csv is bad",
    ]
    assert report.files["ar_contents.csv"] == FileReport(new=1, bad=1)


async def test_a_line_that_refers_to_one_with_an_unknown_company_is_named(run_import: Import) -> None:
    run_import.write(companies=ACME, projects="site,nobody,Site,,,+1d,,,,,", ar_contents=BOW)
    assert messages(await run_import())[1] == (
        "ar_contents.csv:2: project_slug: 'site' was not loaded: its line in projects.csv is bad"
    )


async def test_a_line_that_refers_to_a_slug_given_twice_gets_the_first(run_import: Import) -> None:
    run_import.write(companies=[ACME, "acme,Second,,,,,,"], projects=SITE)
    report = await run_import()
    assert messages(report) == ["companies.csv:3: slug: 'acme' is already in line 2"]
    assert await run_import.rows("companies", "name") == [("Acme",)]
    assert report.files["projects.csv"] == FileReport(new=1)


async def test_files_may_be_missing_where_the_database_has_the_rows(run_import: Import) -> None:
    run_import.write(companies=ACME)
    assert (await run_import()).missing == ["projects.csv", "ar_contents.csv"]
    (run_import.folder / "companies.csv").unlink()
    run_import.write(projects=SITE)
    assert (await run_import()).files == {"projects.csv": FileReport(new=1)}
    (run_import.folder / "projects.csv").unlink()
    run_import.write(ar_contents=BOW)
    assert (await run_import()).files == {"ar_contents.csv": FileReport(new=1)}


async def test_a_folder_without_any_of_the_files_is_refused(run_import: Import) -> None:
    with pytest.raises(NothingToImport):
        await run_import()


async def test_strict_loads_nothing_when_a_line_is_bad(run_import: Import) -> None:
    run_import.write(companies=ACME, projects=SITE, ar_contents=[BOW, "oars,nothing,Oars,,"])
    report = await run_import(strict=True)
    assert not report.loaded
    assert report.files == {
        "companies.csv": FileReport(),
        "projects.csv": FileReport(),
        "ar_contents.csv": FileReport(bad=1),
    }
    assert await run_import.rows("companies") == []


async def test_strict_loads_all_when_every_line_is_good(run_import: Import) -> None:
    run_import.write(companies=ACME, projects=SITE)
    report = await run_import(strict=True)
    assert report.loaded
    assert await run_import.rows("projects", "slug") == [("site",)]


async def test_what_has_expired_is_not_brought_back_by_the_same_line(run_import: Import, platform: Platform) -> None:
    run_import.write(companies=ACME, projects="site,acme,Site,active,,+7d,,,,,", ar_contents=BOW)
    await run_import()
    await platform.execute("UPDATE projects SET status = 'expired'")
    await platform.execute("UPDATE ar_contents SET is_active = false")
    report = await run_import(now=NOW + timedelta(days=8))
    assert report.files["projects.csv"] == report.files["ar_contents.csv"] == FileReport(unchanged=1)


async def test_a_renewal_brings_back_what_has_expired(run_import: Import, platform: Platform) -> None:
    run_import.write(companies=ACME, projects=SITE, ar_contents=BOW)
    await run_import()
    await platform.execute("UPDATE projects SET status = 'expired'")
    await platform.execute("UPDATE ar_contents SET is_active = false")
    run_import.write(projects=SITE.replace("2026-12-01", "2027-12-01"))
    await run_import(now=datetime(2026, 12, 2, tzinfo=UTC))
    assert await run_import.rows("projects", "status") == [("active",)]
    assert await run_import.rows("ar_contents", "is_active") == [(True,)]


async def test_content_goes_along_when_its_project_goes_to_another_company(run_import: Import) -> None:
    run_import.write(companies=[ACME, "b,B,,,,,,"], projects=SITE, ar_contents=BOW)
    await run_import()
    (run_import.folder / "ar_contents.csv").unlink()
    run_import.write(projects=SITE.replace("acme", "b"))
    await run_import()
    [(new_company,)] = await run_import.rows("companies WHERE slug = 'b'", "id")
    assert await run_import.rows("projects", "company_id") == [(new_company,)]
    assert await run_import.rows("ar_contents", "company_id") == [(new_company,)]


async def test_what_the_parser_lets_through_postgresql_takes(run_import: Import) -> None:
    run_import.write(
        companies=[
            "zoo-süd.1_a~,Zoo Süd 🦊,müller@zoo-süd.example,-4503599627370495,pt_BR,America/Argentina/Buenos_Aires,no,0"
        ],
        projects=[
            (
                "a,zoo-süd.1_a~,A,archived,1970-01-01T00:00:00Z,2999-12-31T23:59:59.999999Z,yes,x,365;0,"
                '"\'; {""""},é;\\",'
                '"{""deep"": [[{""a"": null}]], ""big"": 12345678901234567890123, '
                '""u"": ""🦊\\u00e9\\\\u0000"", ""f"": 1e300}"'
            ),
            "b,zoo-süd.1_a~,B,,-20000d,+36500d,,,,,",
        ],
    )
    report = await run_import()
    assert messages(report) == []
    [(metadata, days), _] = await run_import.rows("projects", "metadata, notify_before_expiry_days")
    assert (metadata["deep"], metadata["big"]) == ([[{"a": None}]], 12345678901234567890123)
    assert days == [365, 0]
    assert (await run_import()).files["projects.csv"] == FileReport(unchanged=2)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "Europe", "europe/oslo", "PST", "EST5EDT4", "posixrules", "Factory"])
async def test_a_time_zone_that_postgresql_does_not_know_is_named(run_import: Import, zone: str) -> None:
    run_import.write(companies=[ACME.replace("Europe/Oslo", zone), "b,B,,,,,,"])
    report = await run_import()
    assert messages(report) == [
        f"companies.csv:2: timezone: '{zone}' is not an IANA time zone: write one such as Europe/Berlin"
    ]
    assert report.files["companies.csv"] == FileReport(new=1, bad=1)


async def test_a_time_zone_is_named_beside_what_else_is_wrong_with_its_line(run_import: Import) -> None:
    run_import.write(companies="acme,Acme,nobody,,,Mars/Olympus,,")
    assert [fault.column for fault in (await run_import()).faults] == ["contact_email", "timezone"]


@pytest.mark.parametrize(
    ("zone", "stored"),
    [
        ("CET", "Europe/Brussels"),
        ("MET", "Europe/Brussels"),
        ("EET", "Europe/Athens"),
        ("WET", "Europe/Lisbon"),
        ("EST", "America/Panama"),
        ("MST", "America/Phoenix"),
        ("HST", "Pacific/Honolulu"),
        ("EST5EDT", "EST5EDT"),
        ("GMT", "GMT"),
    ],
)
async def test_a_zone_that_postgresql_reads_as_an_abbreviation_is_stored_as_the_zone_that_it_links_to(
    run_import: Import, zone: str, stored: str
) -> None:
    run_import.write(companies=ACME.replace("Europe/Oslo", zone))
    assert messages(await run_import()) == []
    assert await run_import.rows("companies", "timezone") == [(stored,)]
    assert (await run_import()).files["companies.csv"] == FileReport(unchanged=1)


async def test_statements_grow_with_the_batches_and_not_with_the_lines(run_import: Import) -> None:
    statements: list[str] = []

    @event.listens_for(run_import.engine.sync_engine, "before_cursor_execute")
    def _count(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    async def of(count: int) -> int:
        run_import.write(companies=ACME, projects=[f"p{n},acme,P {n},,,+{n + 1}h,,,,," for n in range(count)])
        statements.clear()
        report = await run_import()
        assert report.files["projects.csv"].new + report.files["projects.csv"].unchanged == count
        return len(statements)

    one, thousand, three_thousand = await of(1), await of(1000), await of(3000)
    assert one == thousand
    assert three_thousand == thousand + 2 * 2


async def test_bad_lines_are_named_in_their_order_over_all_batches(run_import: Import) -> None:
    lines = [
        f"p{n},{'nobody' if n % 100 == 7 else 'acme'},P,,,+1d,{'?' if n % 100 == 3 else ''},,,," for n in range(2500)
    ]
    run_import.write(companies=ACME, projects=lines)
    report = await run_import()
    assert [fault.line for fault in report.faults] == [n + 2 for n in range(2500) if n % 100 in (3, 7)]
    assert report.files["projects.csv"] == FileReport(new=2450, bad=50)


async def test_two_imports_at_once_do_not_disturb_each_other(run_import: Import, tmp_path: Path) -> None:
    other = Import(run_import.engine, tmp_path / "other")
    other.folder.mkdir()
    lines = [f"p{n},acme,P {n},,,+{n + 1}h,,,,," for n in range(1500)]
    run_import.write(companies=ACME, projects=lines)
    other.write(companies=ACME.replace("Acme", "Other"), projects=lines[::-1])
    reports = await asyncio.gather(run_import(), other(now=NOW + timedelta(days=1)))
    assert [report.bad for report in reports] == [0, 0]
    assert sum(report.files["projects.csv"].new for report in reports) == 1500
    assert sum(report.files["projects.csv"].changed for report in reports) == 0


async def test_progress_ends_at_the_size_of_all_files(run_import: Import) -> None:
    heard: list[tuple[int, int]] = []
    run_import.write(companies=ACME, projects=[f"p{n},acme,P {n},,,+1d,,,,," for n in range(2000)])
    await import_folder(
        run_import.engine, run_import.folder, now=NOW, progress=lambda done, total: heard.append((done, total))
    )
    total = sum(path.stat().st_size for path in run_import.folder.iterdir())
    assert heard[-1] == (total, total)
    assert heard == sorted(heard)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("change", ["rewritten", "replaced", "deleted"])
async def test_a_file_that_changes_while_it_is_read_stops_the_import(
    run_import: Import, change: str, *, strict: bool
) -> None:
    run_import.write(companies=ACME, projects=[f"p{n},acme,P {n},,,+1d,,,,," for n in range(3 * BATCH)])
    file = run_import.folder / "projects.csv"
    seen: list[int] = []

    def while_it_is_read(done: int, _total: int) -> None:
        seen.append(done)
        if len(seen) != 2:  # the companies, then a batch of projects
            return
        content = file.read_text()
        match change:
            case "rewritten":
                file.write_text(content)
            case "replaced":
                (run_import.folder / "new").write_text(content)
                (run_import.folder / "new").replace(file)
            case "deleted":
                file.unlink()

    with pytest.raises(FileChanged, match=r"^projects\.csv was changed while it was read: run the import again$"):
        await import_folder(run_import.engine, run_import.folder, now=NOW, strict=strict, progress=while_it_is_read)
    assert len(seen) == 2
    assert len(await run_import.rows("projects", "slug")) == (0 if strict else BATCH)


async def test_after_it_the_import_can_be_run_again(run_import: Import) -> None:
    run_import.write(companies=ACME, projects=[f"p{n},acme,P {n},,,+1d,,,,," for n in range(2 * BATCH)])

    def once(done: int, _total: int) -> None:
        (run_import.folder / "projects.csv").touch()

    with pytest.raises(FileChanged):
        await import_folder(run_import.engine, run_import.folder, now=NOW, progress=once)
    report = await run_import()
    assert (report.bad, len(await run_import.rows("projects", "slug"))) == (0, 2 * BATCH)
