"""Tells a notification's workflow why one of its deliveries waits.

A workflow sees nothing of an activity's attempts, so the attempt itself tells it, by a signal. A signal costs the
workflow's history four events. So it is sent only for a long wait, and only if it says something new.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.told import ToldWait, tell_wait, told_wait
from contracts.sending import DeliveryWaits, Reason, SendInput

LONG = timedelta(minutes=1)
"""A shorter wait is not told."""
MOST_TOLD = 50
"""After this many signals only attempts whose number is a power of two send another."""
_LONGER = 2
"""How many times longer than the wait that was told must a wait be to be told again."""

log = structlog.get_logger(__name__)


class TellWorkflow(Protocol):
    """Tells a run of a notification's workflow why a delivery waits. Raises `RPCError`."""

    async def __call__(self, workflow_id: str, run_id: str, waits: DeliveryWaits) -> None: ...


async def tell_if_long(tell: TellWorkflow, channel: str, input: SendInput, error: ApplicationError) -> None:
    """Tells the workflow that another attempt follows this one, which ends with `error`, unless it comes soon. Call it
    last before the attempt fails. If it cannot be told, nothing else changes."""
    info = activity.info()
    delay = _delay(info, error)
    until = datetime.now(UTC) + delay
    if error.non_retryable or error.type is None or until >= input.give_up_at:
        return
    before = told_wait(info)
    if not _is_worth_telling(before, error.type, delay, info.attempt):
        _keep(before)
        return
    waits = DeliveryWaits(input.delivery_id, channel, error.type, until, info.attempt)
    try:
        await tell(info.workflow_id or "", info.workflow_run_id or "", waits)
    except RPCError as failed:
        log.warning("wait_not_told", error=failed.status.name)
        _keep(before)
        return
    tell_wait(ToldWait(error.type, delay.total_seconds(), 1 + (before.times if before else 0)))


def _keep(before: ToldWait | None) -> None:
    """Passes on what the workflow knows: a heartbeat during a long attempt has replaced it."""
    if before is not None:
        tell_wait(before)


def _delay(info: activity.Info, error: ApplicationError) -> timedelta:
    """The time to the next attempt: the error's own, else the retry policy's."""
    if error.next_retry_delay is not None:
        return error.next_retry_delay
    policy = info.retry_policy
    if policy is None:
        return timedelta(0)
    longest = policy.maximum_interval or policy.initial_interval * 100
    doublings = min(info.attempt - 1, 32)
    return min(policy.initial_interval * policy.backoff_coefficient**doublings, longest)


def _is_worth_telling(before: ToldWait | None, reason: str, delay: timedelta, attempt: int) -> bool:
    if delay < LONG and reason != Reason.PAUSED:  # a pause is looked at often, and may last for days
        return False
    if before is None or attempt & (attempt - 1) == 0:
        return True
    news = reason != before.reason or delay.total_seconds() >= _LONGER * before.seconds
    return news and before.times < MOST_TOLD
