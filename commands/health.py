"""`check-health`, `problems`, `untold`: what is wrong, now and for how long, and who was not told."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from temporalio.common import WorkflowIDConflictPolicy

from channels.registry import channels, names
from commands.dry_run import all_due
from commands.following import follow, where
from commands.output import print_json, print_line, print_table
from commands.running import FAILED, OK, complain, database, temporal_client, temporal_errors
from contracts.queues import WORKFLOWS, task_queue
from db.items import untold
from db.items.untold import UntoldItem
from db.operators.problems import lasting
from settings import Settings
from temporal import schedules
from workflows.check_health import CheckHealthWorkflow

WORKFLOW_ID = "check-health"


async def check_health(*, wait: bool, as_json: bool) -> int:
    """Starts a check, or joins the one that was started by hand and still runs. 1 if it is waited for and has found
    something wrong."""
    settings = Settings.load()
    client = await temporal_client()
    queue = task_queue(settings.task_queue_prefix, WORKFLOWS)
    async with temporal_errors():
        handle = await client.start_workflow(
            CheckHealthWorkflow.run,
            schedules.health_input(settings, once=True),
            id=WORKFLOW_ID,
            task_queue=queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary="Check the system's health, by hand",
        )
        started = where(settings, client, handle.id)
        url = started["web_ui_url"]
        if not wait:
            if as_json:
                print_json(started)
            else:
                print_line(f"Check {handle.id}: {url}")
            return OK
        complain(f"Check {handle.id}: {url}")
        report = await follow(client, handle, queue, "check", None)
    if as_json:
        print_json(started | asdict(report))
    else:
        for code in report.problems:
            print_line(code)
        if not report.problems:
            print_line("Nothing wrong was found.")
        for code in report.over:
            print_line(f"Over: {code}")
    if report.problems and not report.database_away:
        complain("docs/operations.md says what each means; the alerts say more: `cli.py notifications --type alert`.")
    return FAILED if report.problems else OK


async def problems(*, as_json: bool) -> int:
    """Lists what is wrong now and was alerted."""
    settings = Settings.load()
    async with database(settings) as engine, engine.connect() as connection:
        rows = await lasting(connection)
    if as_json:
        print_json({"items": [dict(row) for row in rows]})
    else:
        print_table(
            ("problem", "what", "since (UTC)", "last alert (UTC)"),
            [(row["code"], row["subject"], row["since"], row["alerted_at"]) for row in rows],
        )
    return OK


async def list_untold(within: timedelta, *, as_json: bool) -> int:
    """Lists what ends within this time, or has ended and is still on, and of whose end nobody was told."""
    settings = Settings.load()
    now = datetime.now(UTC)
    async with database(settings) as engine:
        reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        async with reading.connect() as connection:
            items = await untold.list_untold(connection, within)
            due = {(item.project_id, item.ar_content_id) for item in await all_due(connection, settings, now)}
    rows = [
        {
            "company": item.company,
            "item": item.item,
            "ends_at": item.ends_at.astimezone(ZoneInfo(item.timezone)),
            "why": _why(item, is_due=item.ends_at <= now or (item.project_id, item.ar_content_id) in due),
            **{name: item.channels.get(name) for name in names()},
        }
        for item in items
    ]
    if as_json:
        print_json({"items": rows})
    else:
        print_table(
            (
                "company",
                "item",
                "ends, company's clock",
                "why",
                *(channel.words.heading.lower() for channel in channels()),
            ),
            [(*list(row.values())[:2], f"{row['ends_at']:%Y-%m-%d %H:%M %Z}", *list(row.values())[3:]) for row in rows],
        )
    return OK


def _why(item: UntoldItem, *, is_due: bool) -> str:
    if item.why != untold.NO_NOTICE:
        return item.why
    return "no notice opened" if is_due else "not due yet"
