"""A worker that dies, or freezes, at a step that it is told: `python -m tests.support.crashing_worker STEP`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from temporalio import activity

import worker
from activities import attempt
from activities.deactivation import DeactivationActivities
from activities.due_items import DueItemActivities
from contracts.deactivating import DeactivateEndedInput, DeactivateEndedResult
from contracts.scanning import OpenDueInput, OpenDueResult, TakeStartableInput, TakeStartableResult
from db.record import settle
from db.record.claim import claim_delivery
from runtime import leaving

_stops = iter([True])
"""A trap snaps once: who was frozen and wakes up goes its way."""


def _stop(number: signal.Signals) -> None:
    """Ends or freezes this process."""
    if next(_stops, False):
        os.kill(os.getpid(), number)


def _before(function: Callable[..., Any], number: signal.Signals) -> Callable[..., Any]:
    @wraps(function)
    async def stopping(*args: Any, **kwargs: Any) -> Any:
        _stop(number)
        return await function(*args, **kwargs)

    return stopping


def _after(function: Callable[..., Any], number: signal.Signals) -> Callable[..., Any]:
    @wraps(function)
    async def stopping(*args: Any, **kwargs: Any) -> Any:
        result = await function(*args, **kwargs)
        _stop(number)
        return result

    return stopping


class _DyingAfterThePage(DueItemActivities):
    @activity.defn
    async def open_due_notifications(self, input: OpenDueInput) -> OpenDueResult:
        result = await super().open_due_notifications(input)
        _stop(signal.SIGKILL)
        return result


class _DyingAfterTheDeactivation(DeactivationActivities):
    @activity.defn
    async def deactivate_ended(self, input: DeactivateEndedInput) -> DeactivateEndedResult:
        result = await super().deactivate_ended(input)
        _stop(signal.SIGKILL)
        return result


class _DyingBeforeTheStart(DueItemActivities):
    @activity.defn
    async def take_startable(self, input: TakeStartableInput) -> TakeStartableResult:
        result = await super().take_startable(input)
        _stop(signal.SIGKILL)
        return result


def prepare(step: str) -> None:
    """Lays the trap. Raises KeyError for a step that there is not."""
    traps: dict[str, Callable[[], None]] = {
        "page-committed": lambda: setattr(worker, "DueItemActivities", _DyingAfterThePage),
        "deactivation-committed": lambda: setattr(worker, "DeactivationActivities", _DyingAfterTheDeactivation),
        "children-not-started": lambda: setattr(worker, "DueItemActivities", _DyingBeforeTheStart),
        "before-claim": lambda: setattr(attempt, "claim_delivery", _before(claim_delivery, signal.SIGKILL)),
        "after-claim": lambda: setattr(attempt, "claim_delivery", _after(claim_delivery, signal.SIGKILL)),
        "before-record": lambda: setattr(settle, "record", _before(settle.record, signal.SIGKILL)),
        "after-record": lambda: setattr(settle, "record", _after(settle.record, signal.SIGKILL)),
        "frozen-after-claim": lambda: setattr(attempt, "claim_delivery", _after(claim_delivery, signal.SIGSTOP)),
    }
    traps[step]()


if __name__ == "__main__":
    prepare(sys.argv.pop())
    leaving.run(worker.main)
