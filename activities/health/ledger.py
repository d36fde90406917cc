"""The record itself: is sending paused, who was not told, what is in doubt, what does not move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from activities.alerts import UNHEARD_FOR, operator_fault_text
from activities.health.findings import Findings, Problem, found
from activities.rules import last_chance_before
from channels.base import Channel
from channels.registry import channels, find_channel
from contracts.sending import ATTEMPT_MARGIN, HEARTBEAT_TIMEOUT
from db.items import untold
from db.operators import pauses, problems
from db.record.stuck import count_in_doubt, count_stuck
from settings import Settings

UNKNOWN_CHANNEL_IN_FLIGHT = timedelta(hours=1)
"""How long a delivery may be in flight on a channel that this release does not know."""
NAMED = 10
"""Items that an alert names."""


async def ledger(connection: AsyncConnection, settings: Settings) -> Findings:
    """Looks at the record, and forgets the problems that nobody has raised for long. Raises what the database does."""
    await problems.forget(connection, timedelta(seconds=settings.alert_cooldown) + UNHEARD_FOR)
    return (
        await _refusals(connection, settings)
        + found(["paused"], await _paused(connection))
        + found(["untold_items"], await _untold(connection, settings))
        + found(["deliveries_in_doubt"], await _in_doubt(connection))
        + found(["deliveries_stuck"], await _stuck(connection, settings))
    )


async def _refusals(connection: AsyncConnection, settings: Settings) -> Findings:
    """What attempts have raised lasts for as long as a message waits because of it."""
    refusals = await problems.refusals(connection, [channel.away_code for channel in channels()])
    waiting = [
        Problem(refusal.code, *operator_fault_text(settings, channel, refusal.code), channel.name)
        for refusal in refusals
        if refusal.waits and (channel := find_channel(refusal.channel))
    ]
    return found([refusal.code for refusal in refusals], *waiting)


async def _paused(connection: AsyncConnection) -> Problem | None:
    pause = await pauses.newest(connection)
    if pause is None or not pause.holds:
        return None
    return Problem(
        "paused",
        "Sending is paused",
        f"Since {pause.paused_at:%Y-%m-%d %H:%M} UTC, by {pause.operator}: {pause.why}\n"
        "Companies are sent nothing until `cli.py resume`.\n",
    )


async def _untold(connection: AsyncConnection, settings: Settings) -> Problem | None:
    items, count = await untold.untold_problems(
        connection,
        timedelta(seconds=settings.untold_within),
        last_chance_before(settings, datetime.now(UTC)),
        NAMED,
    )
    if not count:
        return None
    named = "\n".join(f"- {each.item}: {each.why}" for each in items)
    more = f"\n... and {count - len(items)} more" if count > len(items) else ""
    return Problem(
        "untold_items",
        f"{count} {'item ends or has' if count == 1 else 'items end or have'} ended, and nobody was told",
        f"{named}{more}\n\n`cli.py untold` lists them with the reasons. What was refused: correct the address, then "
        "`cli.py resend`. What has no notice: `cli.py scan --wait`. What has ended and is still on: `cli.py "
        "deactivate --wait`.\n",
    )


async def _in_doubt(connection: AsyncConnection) -> Problem | None:
    count = await count_in_doubt(connection)
    if not count:
        return None
    return Problem(
        "deliveries_in_doubt",
        f"{count} {'delivery is' if count == 1 else 'deliveries are'} in doubt",
        "The provider may have taken them, and its answer got lost. `cli.py deliveries --status unknown` lists them; "
        "decide each by `cli.py resolve`.\n",
    )


async def _stuck(connection: AsyncConnection, settings: Settings) -> Problem | None:
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
        f"{count} {'notice does' if count == 1 else 'notices do'} not move",
        f"In flight for too long: {stuck.sending}. Open though their time is over: {stuck.past_end}. Open and without "
        f"a workflow for two hours: {stuck.not_started}.\n"
        "Do workers run and take tasks? `cli.py scan --wait` starts again what has lost its workflow.\n",
    )


def _longest_in_flight(channel: Channel, settings: Settings) -> timedelta:
    """A worker that died leaves a delivery in flight until the next attempt, which settles it."""
    options = channel.options(settings)
    policy = channel.plan.retry_policy(options.retry_initial)
    gap = policy.maximum_interval or policy.initial_interval
    return timedelta(seconds=options.attempt_timeout) + ATTEMPT_MARGIN + HEARTBEAT_TIMEOUT + gap
