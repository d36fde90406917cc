"""`python cli.py` as a process: what it does, prints and exits with."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dotenv import dotenv_values
from temporalio.client import Client

from local.embedded.postgres import EmbeddedPostgres
from local.stand_ins.smtp_sink import SmtpSink
from local.stand_ins.telegram_api import TelegramApi
from settings import Settings
from temporal.schedules import SCAN_EXPIRING
from tests.support.calling_api import NOBODY_LISTENS
from tests.support.command_line import cli, start
from tests.support.data import Platform, in_days
from tests.support.scanning import all_finished
from tests.support.serving import RunWorker

PROJECT_HEADER = (
    "slug,company_slug,name,status,starts_at,expires_at,auto_renew,subscription_type,notify_before_expiry_days,"
    "tags,metadata"
)


@pytest.fixture
def database(database_url: str) -> dict[str, str]:
    """An environment with the test's database and both channels configured. No Temporal answers."""
    return {
        "DATABASE_URL": database_url,
        "SMTP_HOST": "127.0.0.1",
        "SMTP_FROM_EMAIL": "notices@platform.example",
        "SMTP_FROM_NAME": "Expiry notifier",
        "TELEGRAM_BOT_TOKEN": "1:x",
    }


@pytest.fixture
def environment(database: dict[str, str], temporal: Client) -> dict[str, str]:
    """With Temporal, in the test's own namespace."""
    return database | {
        "TEMPORAL_ADDRESS": temporal.service_client.config.target_host,
        "TEMPORAL_NAMESPACE": temporal.namespace,
        "TEMPORAL_UI_URL": "http://ui.example/",
    }


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["-h"], ["scan", "--help"], ["scan", "-h"], ["schedules", "-h"], ["schedules", "apply", "--help"]],
)
async def test_help_exits_0(arguments: list[str]) -> None:
    ended = await cli(*arguments)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("Usage: cli.py")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nosuch"],
        ["import"],
        ["import", "/no/such/folder"],
        ["scan", "--wait", "--dry-run"],
        ["scan", "--at", "2026-01-01T00:00:00Z"],
        ["scan", "--timeout", "3"],
        ["scan", "--dry-run", "--at", "2026-01-01T00:00:00"],
        ["scan", "--dry-run", "--at", "tomorrow"],
        ["scan", "--dry-run", "--at", "9999-01-01T00:00:00Z"],
        ["notifications", "--status", "nosuch"],
        ["deliveries", "--channel", "pigeon"],
        ["deliveries", "--limit", "0"],
        ["servers"],
    ],
)
async def test_a_wrong_argument_exits_2_with_nothing_on_stdout(arguments: list[str]) -> None:
    ended = await cli(*arguments)
    assert ended.status == 2
    assert "Error: " in ended.err if arguments else "Usage: " in ended.out + ended.err


@pytest.mark.parametrize(
    ("arguments", "environment", "line"),
    [
        (["migrate"], {}, "cli: DATABASE_URL: required, as postgresql://user:password@host:5432/name"),
        (["notifications"], {"DATABASE_URL": "mysql://x"}, "cli: DATABASE_URL: must be a PostgreSQL URL, not mysql"),
        (["import", "."], {"SMTP_PORT": "zero"}, "cli: SMTP_PORT: "),
        (["import", "."], {"API_KEYS": "change-me"}, "cli: API_KEYS: contains the placeholder change-me: "),
        (["notifications"], {"UNSUBSCRIBE_SECRET": "x"}, "cli: UNSUBSCRIBE_SECRET: easy to guess: "),
        (["pause", "--why", "x"], {"TELEGRAM_API_URL": "http://bot-api:8081"}, "cli: TELEGRAM_API_URL: must begin "),
        (["scan"], {}, "cli: set SMTP_HOST or TELEGRAM_BOT_TOKEN: no channel"),
        (["scan", "--wait"], {}, "cli: set SMTP_HOST or TELEGRAM_BOT_TOKEN: no channel"),
        (["schedules", "apply"], {}, "cli: set SMTP_HOST or TELEGRAM_BOT_TOKEN: no channel"),
        (["scan"], {"TELEGRAM_BOT_TOKEN": "1:x", "TEMPORAL_PROFILE": "nosuch"}, "cli: TEMPORAL_*: "),
        (["scan"], {"TELEGRAM_BOT_TOKEN": "1:x", "TEMPORAL_ADDRESS": "no host"}, "cli: TEMPORAL_ADDRESS: "),
    ],
)
async def test_a_wrong_setting_exits_2_with_one_line(
    arguments: list[str], environment: dict[str, str], line: str
) -> None:
    ended = await cli(*arguments, "--json", environment=environment)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(line)
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["migrate"], ["import", "examples"], ["scan", "--dry-run"], ["notifications"], ["deliveries"]]
)
async def test_a_database_that_is_away_exits_1_with_one_line(arguments: list[str]) -> None:
    ended = await cli(*arguments, environment={"DATABASE_URL": f"postgresql://u:secret@{NOBODY_LISTENS}/x"})
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("cli: cannot reach PostgreSQL at DATABASE_URL: ")
    assert ended.err.count("\n") == 1
    assert "secret" not in ended.err


@pytest.mark.parametrize("arguments", [["scan"], ["scan", "--wait"], ["schedules", "apply"]])
async def test_a_temporal_that_is_away_exits_1_with_one_line(arguments: list[str], database: dict[str, str]) -> None:
    ended = await cli(*arguments, environment=database)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("cli: cannot reach Temporal at TEMPORAL_ADDRESS: ")
    assert ended.err.count("\n") == 1


async def test_an_unknown_namespace_is_a_wrong_setting(environment: dict[str, str]) -> None:
    ended = await cli("scan", environment=environment | {"TEMPORAL_NAMESPACE": "nosuch"})
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("cli: TEMPORAL_NAMESPACE: ")


async def test_migrate_says_what_it_did_and_may_run_twice(postgres: EmbeddedPostgres) -> None:
    await postgres.create_database("test_cli_migrate")
    environment = {"DATABASE_URL": postgres.database_url("test_cli_migrate")}
    missing = await cli("notifications", environment=environment)
    first = await cli("migrate", "--json", environment=environment)
    second = await cli("migrate", environment=environment)
    await postgres.drop_database("test_cli_migrate")
    assert missing.status == 1
    assert missing.err.endswith("; run `python cli.py migrate` first\n")
    assert (first.status, second.status) == (0, 0)
    assert first.json["before"] is None
    assert second.out == f"The database is already at revision {first.json['after']}.\n"


async def test_import_names_bad_lines_and_exits_1(database: dict[str, str], tmp_path: Path, platform: Platform) -> None:
    await platform.company(slug="acme")
    lines = [PROJECT_HEADER, "site,acme,Site,,,+7d,,,,,", "late,acme,Late,,,tomorrow,,,,,", ""]
    (tmp_path / "projects.csv").write_text("\n".join(lines))
    strict = await cli("import", str(tmp_path), "--strict", "--json", environment=database)
    loaded = await cli("import", str(tmp_path), environment=database)
    reason = "'tomorrow' is not a time: write ISO 8601 with offset or +7d"
    assert (strict.status, loaded.status) == (1, 1)
    assert strict.json == {
        "loaded": False,
        "files": {"projects.csv": {"new": 0, "changed": 0, "unchanged": 0, "bad": 1}},
        "missing": ["companies.csv", "ar_contents.csv"],
        "bad_lines": [{"file": "projects.csv", "line": 3, "column": "expires_at", "reason": reason}],
    }
    assert loaded.err == f"projects.csv:3: expires_at: {reason}\n"
    assert re.search(r"projects\.csv +1 +0 +0 +1\b", loaded.out)
    assert await platform.scalar("SELECT count(*) FROM projects") == 1


async def test_import_of_the_examples_is_good_and_idempotent(database: dict[str, str]) -> None:
    first = await cli("import", "examples", "--json", environment=database)
    second = await cli("import", "examples", "--json", environment=database)
    assert (first.status, second.status) == (0, 0)
    assert (first.err, second.err) == ("", "")
    for name, counts in first.json["files"].items():
        assert counts["new"] > 0
        assert second.json["files"][name] == {"new": 0, "changed": 0, "unchanged": counts["new"], "bad": 0}


async def test_import_of_a_folder_without_the_files_is_a_wrong_argument(
    database: dict[str, str], tmp_path: Path
) -> None:
    ended = await cli("import", str(tmp_path), environment=database)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == f"cli: {tmp_path}: the folder has none of companies.csv, projects.csv, ar_contents.csv\n"


async def test_schedules_apply_makes_the_schedules(environment: dict[str, str], temporal: Client) -> None:
    first = await cli("schedules", "apply", "--json", environment=environment)
    second = await cli("schedules", "apply", environment=environment)
    assert (first.status, second.status) == (0, 0)
    assert {"schedule_id": SCAN_EXPIRING, "result": "created"} in first.json["items"]
    assert SCAN_EXPIRING in second.out
    await temporal.get_schedule_handle(SCAN_EXPIRING).describe()
    for item in first.json["items"]:
        await temporal.get_schedule_handle(item["schedule_id"]).delete()


async def test_scan_wait_follows_the_scan_to_its_end(
    environment: dict[str, str],
    settings: Settings,
    platform: Platform,
    run_worker: RunWorker,
    temporal: Client,
    smtp_sink: SmtpSink,
    telegram_api: TelegramApi,
) -> None:
    company = await platform.company()
    for _ in range(3):
        await platform.project(company, expires_at=in_days(3))
    async with run_worker(settings):
        # A page of two: the scan takes more than one step, and continues as new before it ends.
        ended = await cli("scan", "--wait", "--json", environment=environment | {"SCAN_PAGE_SIZE": "2"})
        again = await cli("scan", "--wait", environment=environment)
        await all_finished(temporal, [row.workflow_id for row in await platform.notifications()])
    assert (ended.status, again.status) == (0, 0)
    link = f"http://ui.example/namespaces/{temporal.namespace}/workflows/scan-expiring"
    assert ended.json == {
        "workflow_id": "scan-expiring",
        "web_ui_url": link,
        "found": 3,
        "opened": 3,
        "started": 3,
        "recovered": 0,
        "too_many": False,
    }
    assert link in ended.err
    assert again.out == "Found 0 due. Opened 0 notifications, started 0.\n"
    assert (smtp_sink.accepted, telegram_api.accepted) == (3, 3)


async def test_scan_prints_where_it_is_and_a_second_one_joins_it(environment: dict[str, str], temporal: Client) -> None:
    ended = await cli("scan", "--json", environment=environment)
    first = await temporal.get_workflow_handle("scan-expiring").describe()
    again = await cli("scan", environment=environment)
    second = await temporal.get_workflow_handle("scan-expiring").describe()
    assert (ended.status, again.status) == (0, 0)
    assert ended.json["workflow_id"] == "scan-expiring"
    assert again.out == f"Scan scan-expiring: {ended.json['web_ui_url']}\n"
    assert second.run_id == first.run_id
    assert await first.static_summary() == "Scan for expiring projects, by hand"
    await temporal.get_workflow_handle("scan-expiring").terminate()


async def test_a_scan_that_no_worker_takes_says_so(environment: dict[str, str], temporal: Client) -> None:
    process = await start("scan", "--wait", environment=environment)
    assert process.stderr is not None
    async with asyncio.timeout(60):
        lines = [await process.stderr.readline(), await process.stderr.readline()]
    await temporal.get_workflow_handle("scan-expiring").terminate()
    await process.communicate()
    assert lines[0].startswith(b"Scan scan-expiring: http")
    assert lines[1] == (b"The scan waits: no worker polls the task queue expiry-workflows. Start `python worker.py`.\n")


async def test_waiting_for_a_scan_times_out_and_the_scan_goes_on(environment: dict[str, str], temporal: Client) -> None:
    ended = await cli("scan", "--wait", "--timeout", "0.5", "--json", environment=environment)
    description = await temporal.get_workflow_handle("scan-expiring").describe()
    await temporal.get_workflow_handle("scan-expiring").terminate()
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.splitlines()[-1] == "cli: the scan did not end within 0.5 s; it keeps running"
    assert description.close_time is None


async def test_a_terminated_scan_exits_1(environment: dict[str, str], temporal: Client) -> None:
    process = await start("scan", "--wait", environment=environment)
    assert process.stderr is not None
    first_line = await process.stderr.readline()
    await temporal.get_workflow_handle("scan-expiring").terminate(reason="not today")
    out, err = await process.communicate()
    assert first_line.startswith(b"Scan scan-expiring: http")
    assert (process.returncode, out) == (1, b"")
    assert err.decode() == "cli: the scan ended without a result: not today\n"


async def test_ctrl_c_ends_the_waiting_and_not_the_scan(environment: dict[str, str], temporal: Client) -> None:
    process = await start("scan", "--wait", environment=environment)
    assert process.stderr is not None
    await process.stderr.readline()
    process.send_signal(signal.SIGINT)
    await process.communicate()
    description = await temporal.get_workflow_handle("scan-expiring").describe()
    await temporal.get_workflow_handle("scan-expiring").terminate()
    assert process.returncode == 130
    assert description.close_time is None


async def test_a_dry_run_shows_who_would_be_told_and_changes_nothing(
    database: dict[str, str], platform: Platform
) -> None:
    at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    oslo = await platform.company(slug="museum", timezone="Europe/Oslo", telegram_enabled=False)
    auckland = await platform.company(slug="tours", timezone="Pacific/Auckland", telegram_chat_id=None)
    silent = await platform.company(slug="silent", contact_email=None, telegram_chat_id=None)
    await platform.project(oslo, slug="ship", expires_at=at + timedelta(days=6))
    await platform.project(auckland, slug="harbour", expires_at=at + timedelta(days=1))
    await platform.project(silent, slug="mill", expires_at=at + timedelta(days=7))
    await platform.project(oslo, slug="later", expires_at=at + timedelta(days=20))
    await platform.project(oslo, slug="over", expires_at=at - timedelta(days=1))
    environment = database | {"SCAN_PAGE_SIZE": "1", "EXPIRY_THRESHOLDS_DAYS": "7"}
    shown = await cli("scan", "--dry-run", "--at", "2026-05-01T14:00:00+02:00", "--json", environment=environment)
    table = await cli("scan", "--dry-run", "--at", "2026-05-01T12:00:00Z", environment=environment)
    assert (shown.status, table.status) == (0, 0)
    assert shown.json == {
        "at": "2026-05-01T12:00:00+00:00",
        "items": [
            {
                "company": "tours",
                "project": "harbour",
                "ar_content": None,
                "ends_at": "2026-05-03T00:00:00+12:00",
                "days_left": 1,
                "threshold_days": 7,
                "channels": ["email"],
            },
            {
                "company": "museum",
                "project": "ship",
                "ar_content": None,
                "ends_at": "2026-05-07T14:00:00+02:00",
                "days_left": 6,
                "threshold_days": 7,
                "channels": ["email"],
            },
            {
                "company": "silent",
                "project": "mill",
                "ar_content": None,
                "ends_at": "2026-05-08T12:00:00+00:00",
                "days_left": 7,
                "threshold_days": 7,
                "channels": [],
            },
        ],
    }
    assert re.search(r"tours +harbour +2026-05-03 00:00 UTC\+12:00 +1 +7 +email *\n", table.out)
    assert "3 due at 2026-05-01 12:00:00 UTC. Nothing was sent." in table.out
    assert await platform.notifications() == []


async def test_a_dry_run_is_about_now_by_default_and_may_be_about_later(
    database: dict[str, str], platform: Platform
) -> None:
    await platform.project(await platform.company(), slug="ship", expires_at=in_days(45))
    now = await cli("scan", "--dry-run", "--json", environment=database)
    later = await cli("scan", "--dry-run", "--at", "+40d", "--json", environment=database)
    assert now.json["items"] == []
    assert [item["project"] for item in later.json["items"]] == ["ship"]


async def test_a_dry_run_counts_only_channels_that_are_configured(database_url: str, platform: Platform) -> None:
    await platform.project(await platform.company(), expires_at=in_days(2))
    environment = {"DATABASE_URL": database_url, "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    ended = await cli("scan", "--dry-run", "--json", environment=environment)
    assert ended.status == 0
    assert [item["channels"] for item in ended.json["items"]] == [[]]
    assert ended.err.count("\n") == 1
    assert "The time of the next scan is predicted from EXPIRY_SCAN_CRON." in ended.err


@pytest.fixture
async def record(platform: Platform) -> None:
    """Three notifications with two deliveries each."""
    for slug in ("acme", "zoo"):
        await platform.company(slug=slug)
    for key, slug, status in [
        ("key-1", "acme", "delivered"),
        ("key-2", "acme", "undelivered"),
        ("key-3", "zoo", "delivered"),
    ]:
        await platform.execute(
            """
            WITH opened AS (
                INSERT INTO notifications (notification_type, company_id, status, dedupe_key, workflow_id, give_up_at)
                SELECT 'expiring', id, :status, :key, :key, now() FROM companies WHERE slug = :slug RETURNING id
            )
            INSERT INTO deliveries (notification_id, channel, status, recipient, provider_reply)
            SELECT id, channel, CASE WHEN channel = 'email' THEN 'accepted' ELSE 'rejected' END, 'to', :reply
            FROM opened CROSS JOIN unnest(ARRAY['email', 'telegram']) AS channel
            """,
            slug=slug,
            status=status,
            key=key,
            reply="250 [bold]ok[/bold] \x1b[31m",
        )


@pytest.mark.usefixtures("record")
async def test_notifications_lists_the_newest_first_and_filters(database: dict[str, str]) -> None:
    async def listed(*arguments: str) -> list[str]:
        ended = await cli("notifications", *arguments, "--json", environment=database)
        assert ended.status == 0
        return [item["workflow_id"] for item in ended.json["items"]]

    assert await listed() == ["key-3", "key-2", "key-1"]
    assert await listed("--company", "acme", "--status", "delivered") == ["key-1"]
    assert await listed("--type", "test") == []
    unknown = await cli("notifications", "--project", "nosuch", environment=database)
    assert (unknown.status, unknown.err) == (2, "cli: there is no project 'nosuch': give its slug or its id\n")
    limited = await cli("notifications", "--limit", "1", "--json", environment=database)
    assert (len(limited.json["items"]), limited.json["more"]) == (1, True)


@pytest.mark.usefixtures("record")
async def test_deliveries_filters_and_shows_replies_as_plain_text(database: dict[str, str]) -> None:
    ended = await cli("deliveries", "--channel", "email", "--status", "accepted", "--limit", "2", environment=database)
    all_of_one = await cli("deliveries", "--json", environment=database)
    last = all_of_one.json["items"][0]["notification_id"]
    of_last = await cli("deliveries", "--notification", str(last), "--json", environment=database)
    assert ended.status == 0
    assert ended.out.count("250 [bold]ok[/bold]  [31m") == 2
    assert "\x1b" not in ended.out
    assert "rejected" not in ended.out
    assert ended.err == "Only the first 2 are shown: raise --limit to see more.\n"
    assert len(all_of_one.json["items"]) == 6
    assert {item["channel"] for item in of_last.json["items"]} == {"email", "telegram"}


async def test_a_reader_that_goes_away_leaves_no_traceback(database: dict[str, str]) -> None:
    process = await start("notifications", environment=database)
    assert process.stdout is not None
    process.stdout._transport.close()  # type: ignore[attr-defined] # asyncio has no public way to close it
    assert process.stderr is not None
    err = await process.stderr.read()
    await process.wait()
    assert process.returncode == 1
    assert err == b""


async def test_servers_runs_until_it_is_stopped(tmp_path: Path) -> None:
    process = await start("servers", "--state", str(tmp_path))
    assert process.stderr is not None
    async with asyncio.timeout(240):
        async for line in process.stderr:
            if b"endpoints.json" in line:
                break
    endpoints = json.loads((tmp_path / "endpoints.json").read_bytes())
    variables = dotenv_values(tmp_path / "servers.env")
    migrated = await cli("migrate", "--json", environment={"DATABASE_URL": endpoints["database_url"]})
    second = await cli("servers", "--state", str(tmp_path))
    process.send_signal(signal.SIGTERM)
    out, _ = await process.communicate()
    assert set(endpoints) == {"database_url", "temporal_address", "temporal_namespace", "temporal_ui_url"}
    assert variables == {name.upper(): value for name, value in endpoints.items()}
    assert migrated.status == 0
    assert second.status == 1
    assert second.err.startswith(f"cli: Servers run on {tmp_path} already")
    assert (process.returncode, out) == (0, b"")
    assert not (tmp_path / "endpoints.json").exists()
    assert not (tmp_path / "servers.env").exists()


async def test_tables_show_names_literally_and_nothing_unseen(database: dict[str, str], platform: Platform) -> None:
    """Rows from before the import made names clean, too."""
    company = await platform.company(slug="[/]\u202eacme\x1b[31m", name="Acme [Berlin] [/]")
    await platform.notification(await platform.project(company, slug="[bold]site\u200b"))
    shown = [await cli(command, environment=database) for command in ("notifications", "deliveries")]
    for ended in shown:
        assert (ended.status, ended.err) == (0, "")
        assert "[bold]site" in ended.out
        assert not {"\u202e", "\u200b", "\x1b"} & set(ended.out)
    assert "[/]" in shown[0].out
