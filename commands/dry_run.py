"""`scan --dry-run` and `deactivate --dry-run`: show what would happen. They only read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from activities.rules import deactivation_rules, due_rules
from activities.schedule_times import NextScan, predicted_scan
from channels.configured import configured_channels
from commands.output import print_json, print_line, print_table
from commands.running import OK, CommandFailed, complain, database, temporal_client
from db.clocks import local_times
from db.items import due, ended
from db.items.ended import DeactivationRules, EndedItem
from settings import Settings
from temporal import schedules


async def scan(at: datetime | None, *, as_json: bool) -> int:
    """Shows which notifications a scan at that moment would open. None means now."""
    settings = Settings.load()
    at = at or datetime.now(UTC)
    async with database(settings) as engine:
        reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        async with reading.connect() as connection:
            next_scan = await scheduled_after(settings, at)
            items = await all_due(connection, settings, at, next_scan)
            ends = await local_times(connection, [(item.ends_at, item.timezone) for item in items])
    found = [_shown_due(item, ends_at, settings) for item, ends_at in zip(items, ends, strict=True)]
    if as_json:
        print_json({"at": at, "items": found})
    else:
        _print_due(found, at)
    return OK


async def scheduled_after(settings: Settings, at: datetime) -> datetime:
    """Returns when the first scan after `at` is scheduled. If Temporal does not answer, predicts it and says so."""
    return await (await next_scans(settings))(at)


async def next_scans(settings: Settings) -> NextScan:
    """Returns a function that does the same for any time, over one connection."""
    try:
        client = await temporal_client()
    except CommandFailed as error:
        complain(f"cli: {error}. The time of the next scan is predicted from EXPIRY_SCAN_CRON.")

        async def predicted(after: datetime) -> datetime:
            return predicted_scan(settings, after)

        return predicted
    return schedules.next_scan(client, settings)


async def all_due(
    connection: AsyncConnection, settings: Settings, at: datetime, next_scan: datetime
) -> list[due.DueItem]:
    """Returns all items that a scan at that moment would find due. `next_scan` is when the one after it is
    scheduled."""
    rules = due_rules(settings, now=at, scan_at=at, next_scan=next_scan)
    items: list[due.DueItem] = []
    after = due.FIRST_PAGE
    while page := await due.find_due(connection, rules, settings.scan_page_size, after):
        items += page
        after = page[-1].cursor
    return items


def _shown_due(item: due.DueItem, ends_at: datetime, settings: Settings) -> dict[str, Any]:
    configured = {channel.name for channel in configured_channels(settings)}
    return {
        "company": item.company_slug,
        "project": item.project_slug,
        "ar_content": item.ar_content_slug,
        "ends_at": ends_at,
        "days_left": item.days_left,
        "threshold_days": item.threshold_days,
        "channels": [name for name in item.channels if name in configured],
    }


def _print_due(found: list[dict[str, Any]], at: datetime) -> None:
    print_table(
        ("company", "item", "ends, company's clock", "days left", "threshold", "channels"),
        [
            (
                each["company"],
                each["ar_content"] or each["project"],
                f"{each['ends_at']:%Y-%m-%d %H:%M %Z}",
                each["days_left"],
                each["threshold_days"],
                ", ".join(each["channels"]) or "none: the company cannot be reached",
            )
            for each in found
        ],
    )
    print_line(f"{len(found)} due at {at:%Y-%m-%d %H:%M:%S} UTC. Nothing was sent.")


async def deactivate(*, as_json: bool) -> int:
    """Shows which items a deactivation would deactivate now, and which it would postpone."""
    settings = Settings.load()
    now = datetime.now(UTC)
    rules = deactivation_rules(settings, now)
    async with database(settings) as engine, engine.connect() as connection:
        items = await ended.find_ended(connection, replace(rules, postponed_after=rules.ended_before), limit=None)
        hold_limit = timedelta(seconds=settings.deactivate_hold_limit)
        ends = await local_times(connection, [(item.ends_at, item.timezone) for item in items])
        holds = await local_times(connection, [(item.ends_at + hold_limit, item.timezone) for item in items])
    found = [_shown_ended(item, rules, *local) for item, *local in zip(items, ends, holds, strict=True)]
    if as_json:
        print_json({"at": now, "items": found})
    else:
        _print_ended(found, now)
    return OK


def _shown_ended(item: EndedItem, rules: DeactivationRules, ends_at: datetime, held_until: datetime) -> dict[str, Any]:
    return {
        "company": item.company_slug,
        "project": item.project_slug,
        "ar_content": item.ar_content_slug,
        "ends_at": ends_at,
        "held_until": held_until if rules.postpones(item) else None,
    }


def _print_ended(found: list[dict[str, Any]], now: datetime) -> None:
    print_table(
        ("company", "item", "ended, company's clock", "postponed until"),
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
    postponed = sum(each["held_until"] is not None for each in found)
    print_line(
        f"{len(found) - postponed} would be deactivated at {now:%Y-%m-%d %H:%M:%S} UTC, {postponed} postponed. "
        "Nothing was changed."
    )
