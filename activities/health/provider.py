"""Whether a channel's provider answers, and takes our credentials."""

from __future__ import annotations

import asyncio

from activities.alerts import operator_fault_text
from activities.health.findings import Findings, Problem, found
from channels.base import Channel, InDoubt, NotHandedOver, OperatorFault, Sender
from settings import Settings

ANSWER_WITHIN = 10.0
"""Seconds, from the connection to the last answer."""


async def look_at_provider(settings: Settings, channel: Channel, sender: Sender) -> Findings:
    """Asks the provider as for a message, and sends none."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            await sender.probe()
    except OperatorFault as fault:
        # The same code as an attempt's alert of it: it is one problem.
        text = operator_fault_text(settings, channel, fault.reason)
        return found([channel.away_code], Problem(fault.reason, *text, channel.name))
    except (NotHandedOver, InDoubt) as trouble:
        return found([channel.away_code], _away(settings, channel, trouble.reason))
    except TimeoutError:
        return found([channel.away_code], _away(settings, channel, f"no answer within {ANSWER_WITHIN:g} s"))
    return found([channel.away_code])


def _away(settings: Settings, channel: Channel, why: str) -> Problem:
    return Problem(
        channel.away_code,
        f"{channel.words.provider} does not answer",
        f"{channel.provider_address(settings)}: {why}. {channel.words.messages} wait and are tried again; "
        "docs/provider-answers.md says what the answer means.\n",
        channel.name,
    )
