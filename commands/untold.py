"""`untold`: lists items that end soon or have ended, but whose company was not notified."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import assert_never

from channels.registry import channels, names
from commands.dry_run import all_due, scheduled_after
from commands.output import print_json, print_table
from commands.running import OK, database
from contracts.sending import NotificationStatus
from db.clocks import local_times
from db.items import untold
from db.items.untold import NoNotice, UntoldItem
from settings import Settings


async def list_untold(within: timedelta, *, as_json: bool) -> int:
    """Lists active items that end within this time or have ended, but whose company was not notified."""
    settings = Settings.load()
    now = datetime.now(UTC)
    async with database(settings) as engine:
        reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        async with reading.connect() as connection:
            next_scan = await scheduled_after(settings, now)
            items = await untold.list_untold(connection, within)
            ends = await local_times(connection, [(item.ends_at, item.timezone) for item in items])
            due = {
                (item.project_id, item.ar_content_id) for item in await all_due(connection, settings, now, next_scan)
            }
    rows = [
        {
            "company": item.company,
            "item": item.item,
            "ends_at": ends_at,
            "why": _why(item, is_due=item.ends_at <= now or (item.project_id, item.ar_content_id) in due),
            **{name: item.channels.get(name) for name in names()},
        }
        for item, ends_at in zip(items, ends, strict=True)
    ]
    if as_json:
        print_json({"items": rows})
    else:
        print_table(
            ("company", "item", "ends, company's clock", "why", *(channel.words.heading for channel in channels())),
            [(*list(row.values())[:2], f"{row['ends_at']:%Y-%m-%d %H:%M %Z}", *list(row.values())[3:]) for row in rows],
        )
    return OK


def _why(item: UntoldItem, *, is_due: bool) -> str:
    match item.why:
        case NoNotice.NONE_YET:
            return "no notification opened" if is_due else "not due yet"
        case NoNotice.NEVER:
            return item.why
        case NotificationStatus():
            return item.why
        case _:
            assert_never(item.why)
