"""`pause` and `resume`: stop and go for the sending to companies."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict

from temporalio.client import Client

from commands.output import print_json, print_line
from commands.running import OK, CommandFailed, complain, database, temporal_client, temporal_errors
from db.operators import pauses
from db.operators.pauses import Pause
from settings import Settings, SettingsError
from temporal import schedules
from temporal.start import start_held_now


async def pause(operator: str, why: str, *, as_json: bool) -> int:
    """Stops the sending by a row in the database, then pauses the Schedules. May run twice.

    The row alone stops the sending: with Temporal away it is 1, and a second run pauses the Schedules.
    """
    settings = Settings.load()
    async with database(settings) as engine, engine.begin() as connection:
        new = await pauses.pause(connection, operator, why)
        holding = await pauses.newest(connection)
    if holding is None or not holding.holds:
        raise CommandFailed("somebody resumed the sending at this moment: run it again")
    try:
        client = await temporal_client()
        async with temporal_errors():
            others = await schedules.pause_sending(client, holding.note)
    except (CommandFailed, SettingsError) as error:
        raise CommandFailed(
            f"the sending is stopped, but the Schedules may not be paused: {error}; run the same command again"
        ) from error
    if as_json:
        print_json(asdict(holding) | {"already_paused": not new, "paused_by_others": others})
        return OK
    if new:
        print_line("The sending is paused: no company is told anything until `cli.py resume`. Tests and alerts go.")
    else:
        print_line(_holds(holding))
    _print_others(others)
    return OK


async def resume(operator: str, *, as_json: bool) -> int:
    """Lets the Schedules go on, then the sending, and starts what was held back. May run twice.

    With Temporal away it is 1, and nothing has changed.
    """
    settings = Settings.load()
    async with database(settings) as engine, engine.connect() as connection:
        last = await pauses.newest(connection)
    others: dict[str, str] = {}
    resumed = False
    if last is not None:
        client = await temporal_client()
        async with temporal_errors():
            others = await schedules.resume_sending(client, last.note, f"resumed by {operator}")
        async with database(settings) as engine, engine.begin() as connection:
            resumed = await pauses.resume(connection, operator)
        await _start_what_was_held(client, settings)
    if as_json:
        print_json({"was_paused": resumed, "paused_by_others": others})
        return OK
    if resumed:
        print_line(f"The sending goes on, within {settings.pause_retry:g} s. A scan that was missed: `cli.py scan`.")
    else:
        print_line("The sending is not paused.")
    _print_others(others)
    return OK


async def tell_if_paused(settings: Settings) -> None:
    """To whoever starts notices by a command, on stderr: nothing will be sent. Says nothing without a database."""
    with suppress(CommandFailed, SettingsError):
        async with database(settings) as engine, engine.connect() as connection:
            last = await pauses.newest(connection)
        if last is not None and last.holds:
            complain(f"{_holds(last)} Notices are opened and wait for `cli.py resume`.")


async def _start_what_was_held(client: Client, settings: Settings) -> None:
    try:
        async with temporal_errors():
            await start_held_now(client, settings)
    except (CommandFailed, SettingsError) as error:
        raise CommandFailed(
            f"the sending goes on, but what was not started yet waits for the next scan: {error}; or run it again"
        ) from error


def _holds(pause: Pause) -> str:
    return f"The sending is paused since {pause.paused_at:%Y-%m-%d %H:%M} UTC by {pause.operator}: {pause.why}."


def _print_others(others: dict[str, str]) -> None:
    for schedule_id, note in others.items():
        print_line(f"The Schedule {schedule_id} stays as somebody else paused it: {note or 'without a note'}.")
