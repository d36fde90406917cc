"""`scan --dry-run`: who would be told what, and nothing is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from activities.rules import due_rules
from commands.output import print_json, print_line, print_table
from commands.running import OK, database
from contracts.queues import Channel
from db.items import due
from db.record.list import company_time_zones
from settings import Settings


async def dry_run(at: datetime | None, *, as_json: bool) -> int:
    """Shows what a scan at that moment would open; None: now. Reads only."""
    settings = Settings.load()
    at = at or datetime.now(UTC)
    async with database(settings) as engine:
        reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        async with reading.connect() as connection:
            items = await all_due(connection, settings, at)
            zones = await company_time_zones(connection, sorted({item.company_id for item in items}))
    found = [_shown(item, settings, ZoneInfo(zones[item.company_id])) for item in items]
    if as_json:
        print_json({"at": at, "items": found})
    else:
        _print_found(found, at)
    return OK


async def all_due(connection: AsyncConnection, settings: Settings, at: datetime) -> list[due.DueItem]:
    """What a scan at that moment would find. Reads only."""
    rules = due_rules(settings, now=at, scan_at=at)
    items: list[due.DueItem] = []
    after = due.FIRST_PAGE
    while page := await due.find_due(connection, rules, settings.scan_page_size, after):
        items += page
        after = page[-1].cursor
    return items


def _shown(item: due.DueItem, settings: Settings, zone: ZoneInfo) -> dict[str, Any]:
    usable = {
        Channel.EMAIL: item.email_enabled and settings.email_configured,
        Channel.TELEGRAM: item.telegram_enabled and settings.telegram_configured,
    }
    return {
        "company": item.company_slug,
        "project": item.project_slug,
        "ar_content": item.ar_content_slug,
        "ends_at": item.ends_at.astimezone(zone),
        "days_left": item.days_left,
        "threshold_days": item.threshold_days,
        "channels": [channel.value for channel, is_usable in usable.items() if is_usable],
    }


def _print_found(found: list[dict[str, Any]], at: datetime) -> None:
    print_table(
        ("company", "item", "ends, company's clock", "days left", "threshold", "channels"),
        [
            (
                each["company"],
                each["ar_content"] or each["project"],
                f"{each['ends_at']:%Y-%m-%d %H:%M %Z}",
                each["days_left"],
                each["threshold_days"],
                ", ".join(each["channels"]) or "none: nobody would be told",
            )
            for each in found
        ],
    )
    print_line(f"{len(found)} due at {at:%Y-%m-%d %H:%M:%S} UTC. Nothing was sent.")
