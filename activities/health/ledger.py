"""Checks the record: whether sending is paused, which companies were not notified, what is in doubt or stuck."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from activities.alerts import UNHEARD_FOR
from activities.faults import refusal_text
from activities.health.findings import Findings, Problem, found
from activities.rules import LAST_CHANCE_MARGIN
from channels.base import Channel
from channels.registry import channels, find_channel
from contracts.sending import ATTEMPT_MARGIN, HEARTBEAT_TIMEOUT
from db.items import untold
from db.operators import pauses, problems, stops
from db.record.stuck import count_in_doubt, count_stuck
from settings import Settings

UNKNOWN_CHANNEL_IN_FLIGHT = timedelta(hours=1)
"""How long a delivery may be in flight on a channel that this release does not know."""
LONG_STOP = timedelta(minutes=5)
NAMED = 10
"""Most items that an alert names."""


async def look_at_ledger(connection: AsyncConnection, settings: Settings, next_scan: datetime) -> Findings:
    """Checks the record, and forgets problems that have not been raised for long. `next_scan` is when the next scan is
    scheduled. Raises the database's errors."""
    await problems.forget(connection, timedelta(seconds=settings.alert_cooldown) + UNHEARD_FOR)
    return (
        await _find_refusals(connection, settings)
        + found(["untold_items"], await _find_untold(connection, settings, next_scan))
        + await find_unsettled(connection, settings)
    )


async def find_unsettled(connection: AsyncConnection, settings: Settings) -> Findings:
    """Finds what is held back, in doubt or stuck. Changes nothing. Raises the database's errors."""
    return (
        found(["paused"], await _find_pause(connection))
        + found(["channels_stopped"], await _find_stopped(connection))
        + found(["deliveries_in_doubt"], await _find_in_doubt(connection))
        + found(["deliveries_stuck"], await _find_stuck(connection, settings))
    )


async def _find_refusals(connection: AsyncConnection, settings: Settings) -> Findings:
    """Finds refusals that attempts have raised. A refusal lasts while a delivery waits because of it."""
    refusals = await problems.find_refusals(connection, [channel.away_code for channel in channels()])
    waiting = [
        Problem(refusal.code, *refusal_text(settings, channel, refusal.code), channel.name)
        for refusal in refusals
        if refusal.waits and (channel := find_channel(refusal.channel))
    ]
    return found([refusal.code for refusal in refusals], *waiting)


async def _find_pause(connection: AsyncConnection) -> Problem | None:
    pause = await pauses.find_newest(connection)
    if pause is None or not pause.holds:
        return None
    return Problem(
        "paused",
        "Sending is paused",
        f"{pause.operator} paused it at {pause.paused_at:%Y-%m-%d %H:%M} UTC: {pause.why}\n"
        "Nothing is sent to companies until you run `cli.py resume`.\n",
    )


async def _find_stopped(connection: AsyncConnection) -> Problem | None:
    """Finds channels that are stopped for long. A short stop is normal, and hardly delays messages."""
    stopped = await stops.find_stopped(connection, LONG_STOP)
    if not stopped:
        return None
    ends = "\n".join(f"- {channel}: until {until:%Y-%m-%d %H:%M} UTC" for channel, until in stopped.items())
    return Problem(
        "channels_stopped",
        f"No message goes out by {', '.join(stopped)} for a time",
        f"The provider refused several recipients in a row and said when it takes messages again:\n{ends}\n\n"
        "Until then nothing is sent on that channel, tests and alerts included. Then sending resumes by itself. "
        "Notifications whose deadline is earlier are given up.\n",
    )


async def _find_untold(connection: AsyncConnection, settings: Settings, next_scan: datetime) -> Problem | None:
    items, count = await untold.find_untold_problems(
        connection,
        timedelta(seconds=settings.untold_within),
        next_scan + LAST_CHANCE_MARGIN,
        NAMED,
    )
    if not count:
        return None
    named = "\n".join(f"- {each.item}: {each.why}" for each in items)
    more = f"\n... and {count - len(items)} more" if count > len(items) else ""
    return Problem(
        "untold_items",
        f"{count} {'item ends or has' if count == 1 else 'items end or have'} ended without an accepted notification",
        f"{named}{more}\n\n`cli.py untold` lists them with the reasons.\n"
        "If an address was refused, correct it, then run `cli.py resend`.\n"
        "If there is no notification, run `cli.py scan --wait`.\n"
        "If the item has ended and is still active, run `cli.py deactivate --wait`.\n",
    )


async def _find_in_doubt(connection: AsyncConnection) -> Problem | None:
    count = await count_in_doubt(connection)
    if not count:
        return None
    return Problem(
        "deliveries_in_doubt",
        f"{count} {'delivery is' if count == 1 else 'deliveries are'} in doubt",
        "The provider may have taken them, but its answer was lost. List them with "
        "`cli.py deliveries --status unknown`, then settle each with `cli.py resolve`.\n",
    )


async def _find_stuck(connection: AsyncConnection, settings: Settings) -> Problem | None:
    stuck = await count_stuck(
        connection,
        {channel.name: _longest_in_flight(channel, settings) for channel in channels()},
        default=UNKNOWN_CHANNEL_IN_FLIGHT,
    )
    count = stuck.sending + stuck.past_end + stuck.not_started
    if not count:
        return None
    return Problem(
        "deliveries_stuck",
        f"{count} {'notification is' if count == 1 else 'notifications are'} stuck",
        f"In flight for too long: {stuck.sending}. Open past their deadline: {stuck.past_end}. Open without a workflow "
        f"for two hours: {stuck.not_started}.\n"
        "Check that workers run and take tasks. Then run `cli.py scan --wait`: it restarts lost workflows.\n",
    )


def _longest_in_flight(channel: Channel, settings: Settings) -> timedelta:
    """Returns how long a delivery may be in flight: if a worker dies, until the next attempt settles it."""
    options = channel.options(settings)
    policy = channel.plan.retry_policy(options.retry_initial)
    gap = policy.maximum_interval or policy.initial_interval
    return timedelta(seconds=options.attempt_timeout) + ATTEMPT_MARGIN + HEARTBEAT_TIMEOUT + gap
