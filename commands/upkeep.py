"""`migrate`, `schedules apply` and `schedules list`: what a deployment runs for each release."""

from __future__ import annotations

from dataclasses import asdict

from alembic.util import CommandError

from channels.configured import require_a_channel
from commands.output import print_json, print_line, print_table
from commands.running import (
    FAILED,
    OK,
    CommandFailed,
    complain,
    database,
    database_errors,
    temporal_client,
    temporal_errors,
)
from db.migrate import downgrade, upgrade
from db.operators import pauses
from db.revision import WrongRevision, known_revisions, newest_revision
from settings import Settings
from temporal import schedules
from temporal.schedule_states import ScheduleState, read_schedules


async def migrate(down_to: str | None, *, as_json: bool) -> int:
    """Migrates the database to the newest revision, or down to an older one. May run twice."""
    settings = Settings.load()
    async with database_errors():
        try:
            before, after = await (upgrade(settings) if down_to is None else downgrade(settings, down_to))
        except (CommandError, WrongRevision) as error:
            raise CommandFailed(str(error)) from error
    newer = after is not None and after not in known_revisions()
    if as_json:
        print_json({"before": before, "after": after, "newer_release": newer})
    elif newer:
        print_line(
            f"The database is at revision {after} of a newer release, on which this release (revision "
            f"{newest_revision()}) works: nothing to do."
        )
    elif before == after:
        print_line(f"The database is already at revision {after}.")
    else:
        print_line(f"Migrated the database from {f'revision {before}' if before else 'empty'} to revision {after}.")
    return OK


async def apply_schedules(*, as_json: bool) -> int:
    """Creates or updates the Temporal Schedules. May run twice. While sending is paused, they are created paused."""
    settings = Settings.load()
    require_a_channel(settings)
    client = await temporal_client()
    async with database(settings) as engine, engine.connect() as connection:
        pause = await pauses.find_newest(connection)
    async with temporal_errors():
        applied = await schedules.apply(client, settings, pause.note if pause and pause.holds else None)
    if as_json:
        print_json({"items": [{"schedule_id": name, "result": result} for name, result in applied]})
    else:
        print_table(("schedule", "result"), applied)
    return OK


async def list_schedules(*, as_json: bool) -> int:
    """Lists the Schedules that the settings want. Returns 1 if one of them is missing."""
    settings = Settings.load()
    client = await temporal_client()
    async with temporal_errors():
        states = await read_schedules(client, settings)
    if as_json:
        print_json({"items": [asdict(state) for state in states]})
    else:
        print_table(
            ("schedule", "last run (UTC)", "next run (UTC)", "state"),
            [(each.schedule_id, each.last_run, each.next_run, _in_words(each)) for each in states],
        )
    missing = [each.schedule_id for each in states if not each.exists]
    if missing:
        complain(f"Missing: {', '.join(missing)}. Run `cli.py schedules apply`.")
    return FAILED if missing else OK


def _in_words(state: ScheduleState) -> str:
    if not state.exists:
        return "missing"
    if state.paused:
        return f"paused: {state.note or 'no note'}"
    return "running now" if state.running else "waiting"
