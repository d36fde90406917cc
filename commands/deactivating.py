"""`deactivate`: switch off by hand what has ended, or show what would be."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from temporalio.common import WorkflowIDConflictPolicy

from activities.rules import deactivation_rules
from commands.following import follow, where
from commands.output import print_json, print_line, print_table
from commands.pausing import tell_if_paused
from commands.running import FAILED, OK, complain, database, temporal_client, temporal_errors
from contracts.queues import TaskQueue, task_queue
from db.items import ended
from db.items.ended import DeactivationRules, EndedItem
from settings import Settings
from temporal import schedules
from workflows.deactivate_expired import DeactivateExpiredWorkflow

WORKFLOW_ID = "deactivate-expired"


async def deactivate(
    *,
    wait: bool,
    timeout: float | None,  # noqa: ASYNC109 - it is a command's option
    allow_many: bool,
    as_json: bool,
) -> int:
    """Starts a deactivation, or joins the one that was started by hand and still runs; with `wait` follows it.

    `timeout` is in seconds. 1 if nothing was switched off since it was more than SCAN_MAX_NOTICES. A deactivation that
    is no longer waited for goes on.
    """
    settings = Settings.load()
    settings.require_a_channel()
    client = await temporal_client()
    queue = task_queue(settings.task_queue_prefix, TaskQueue.WORKFLOWS)
    async with temporal_errors():
        handle = await client.start_workflow(
            DeactivateExpiredWorkflow.run,
            schedules.deactivation_input(settings, allow_many=allow_many),
            id=WORKFLOW_ID,
            task_queue=queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary="Switch off what has ended, by hand",
        )
        started = where(settings, client, handle.id)
        await tell_if_paused(settings)
        if wait:
            complain(f"Deactivation {handle.id}: {started['web_ui_url']}")
            result = await follow(client, handle, queue, "deactivation", timeout)
    if as_json:
        print_json(started | (asdict(result) if wait else {}))
    elif wait:
        print_line(
            f"Switched off {result.projects} projects and {result.contents} AR contents, opened {result.opened}, "
            f"started {result.started} notifications."
        )
    else:
        print_line(f"Deactivation {handle.id}: {started['web_ui_url']}")
    if wait and result.too_many:
        complain(
            f"{result.found} is more than SCAN_MAX_NOTICES ({settings.scan_max_notices}), so nothing was switched off: "
            "`deactivate --dry-run` lists them, `deactivate --allow-many` switches them off."
        )
        return FAILED
    return OK


async def dry_run(*, as_json: bool) -> int:
    """Shows what a deactivation would switch off now, and what it would hold. Reads only."""
    settings = Settings.load()
    now = datetime.now(UTC)
    rules = deactivation_rules(settings, now)
    async with database(settings) as engine, engine.connect() as connection:
        items = await ended.find_ended(connection, replace(rules, held_after=rules.ended_before), limit=None)
    hold_limit = timedelta(seconds=settings.deactivate_hold_limit)
    found = [_shown(item, rules, hold_limit) for item in items]
    if as_json:
        print_json({"at": now, "items": found})
    else:
        _print_found(found, now)
    return OK


def _shown(item: EndedItem, rules: DeactivationRules, hold_limit: timedelta) -> dict[str, Any]:
    zone = ZoneInfo(item.timezone)
    return {
        "company": item.company_slug,
        "project": item.project_slug,
        "ar_content": item.ar_content_slug,
        "ends_at": item.ends_at.astimezone(zone),
        "held_until": (item.ends_at + hold_limit).astimezone(zone) if rules.hold(item) else None,
    }


def _print_found(found: list[dict[str, Any]], now: datetime) -> None:
    print_table(
        ("company", "item", "ended, company's clock", "held until"),
        [
            (
                each["company"],
                each["ar_content"] or each["project"],
                f"{each['ends_at']:%Y-%m-%d %H:%M %Z}",
                each["held_until"] and f"{each['held_until']:%Y-%m-%d %H:%M %Z}",
            )
            for each in found
        ],
    )
    held = sum(each["held_until"] is not None for each in found)
    print_line(
        f"{len(found) - held} would be switched off at {now:%Y-%m-%d %H:%M:%S} UTC, {held} would be held. "
        "Nothing was changed."
    )
