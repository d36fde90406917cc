"""Asking a server that may not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

Result = TypeVar("Result")

_unfinished: set[asyncio.Task[Any]] = set()  # the event loop itself holds tasks only weakly


class NoAnswerInTime(Exception):
    """The probe did not end in time. It is cancelled, and nobody waits for it."""


async def answer_within(seconds: float, probe: Callable[[], Awaitable[Result]]) -> Result:
    """The probe's result. Raises `NoAnswerInTime`, or what the probe raises."""

    async def ask() -> Result:
        return await probe()

    task = asyncio.create_task(ask())
    _unfinished.add(task)
    task.add_done_callback(_forget)
    try:
        # Not asyncio.timeout: to cancel a query on a frozen server takes seconds itself.
        done, _ = await asyncio.wait({task}, timeout=seconds)
    finally:
        task.cancel()
    if not done:
        raise NoAnswerInTime
    return task.result()


def _forget(task: asyncio.Task[Any]) -> None:
    _unfinished.discard(task)
    if not task.cancelled():
        task.exception()  # else asyncio logs an error that came too late as one that nobody has seen
