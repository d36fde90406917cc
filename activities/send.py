"""The send activities: one a channel, made of what the channel brings."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from temporalio import activity

from activities.attempt import DeliveryAttempts
from channels.base import Plan
from contracts.sending import SendInput, SendResult

SendActivity = Callable[[SendInput], Coroutine[Any, Any, SendResult]]


def send_activity(plan: Plan, attempts: DeliveryAttempts) -> SendActivity:
    """The activity of the channel's task queue, under the name that workflows call."""

    @activity.defn(name=plan.activity)
    async def send(input: SendInput) -> SendResult:
        """One attempt at one delivery."""
        return await attempts.run(input)

    return send
