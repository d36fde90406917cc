"""`pause` and `resume`: stop sending to companies, and start it again."""

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
    """Pauses sending by a row in the database, then pauses the Schedules. May run twice.

    The row alone pauses sending. If Temporal is away, this raises `CommandFailed`, and a second run pauses the
    Schedules.
    """
    settings = Settings.load()
    async with database(settings) as engine, engine.begin() as connection:
        new = await pauses.pause(connection, operator, why)
        holding = await pauses.find_newest(connection)
    if holding is None or not holding.holds:
        raise CommandFailed("another operator resumed sending at this moment: run the command again")
    try:
        client = await temporal_client()
        async with temporal_errors():
            others = await schedules.pause_sending(client, holding.note)
    except (CommandFailed, SettingsError) as error:
        raise CommandFailed(
            f"sending is paused, but the Schedules may not be paused: {error}; run the command again"
        ) from error
    if as_json:
        print_json(asdict(holding) | {"already_paused": not new, "paused_by_others": others})
        return OK
    if new:
        print_line("Sending to companies is paused until you run `cli.py resume`. Tests and alerts are still sent.")
    else:
        print_line(_described(holding))
    _print_others(others)
    return OK


async def resume(operator: str, *, as_json: bool) -> int:
    """Unpauses the Schedules, resumes sending and starts what was held. May run twice.

    If Temporal is away, this raises `CommandFailed` and changes nothing.
    """
    settings = Settings.load()
    async with database(settings) as engine, engine.connect() as connection:
        last = await pauses.find_newest(connection)
    others: dict[str, str] = {}
    resumed = False
    if last is not None:
        client = await temporal_client()
        async with temporal_errors():
            others = await schedules.resume_sending(client, last.note, f"resumed by {operator}")
        async with database(settings) as engine, engine.begin() as connection:
            resumed = await pauses.resume(connection, operator)
        await _start_held(client, settings)
    if as_json:
        print_json({"was_paused": resumed, "paused_by_others": others})
        return OK
    if resumed:
        print_line(
            f"Sending is resumed: it starts again within {settings.pause_retry:g} s. "
            "If a scan was missed meanwhile, run `cli.py scan`."
        )
    else:
        print_line("Sending is not paused.")
    _print_others(others)
    return OK


async def tell_if_paused(settings: Settings) -> None:
    """Tells the operator, on stderr, that nothing is sent while sending is paused. Says nothing without a database."""
    with suppress(CommandFailed, SettingsError):
        async with database(settings) as engine, engine.connect() as connection:
            last = await pauses.find_newest(connection)
        if last is not None and last.holds:
            complain(f"{_described(last)} Notifications are opened, and held until you run `cli.py resume`.")


async def _start_held(client: Client, settings: Settings) -> None:
    try:
        async with temporal_errors():
            await start_held_now(client, settings)
    except (CommandFailed, SettingsError) as error:
        raise CommandFailed(
            f"sending is resumed, but the held notifications are not started: {error}; run the command again, "
            "or the next scan starts them"
        ) from error


def _described(pause: Pause) -> str:
    return f"{pause.operator} paused sending at {pause.paused_at:%Y-%m-%d %H:%M} UTC: {pause.why}."


def _print_others(others: dict[str, str]) -> None:
    for schedule_id, note in others.items():
        print_line(f"The Schedule {schedule_id} stays paused, with this note: {note or 'none'}.")
