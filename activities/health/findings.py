"""What a probe found: the problems, and which there could have been."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import structlog

log = structlog.get_logger(__name__)

_unfinished: set[asyncio.Task[Findings]] = set()  # the event loop itself holds tasks only weakly


@dataclass(frozen=True)
class Problem:
    """What is wrong, as the operators are told. Only `code` leaves the database and the alert."""

    code: str
    """Stable: the same while it lasts."""
    subject: str
    message: str
    channel: str | None = None
    """The name of the channel that it is about."""


@dataclass(frozen=True)
class Findings:
    """`examined` are the codes that were looked for: of these, what is not among the problems is over."""

    examined: frozenset[str] = frozenset()
    problems: tuple[Problem, ...] = ()

    def __add__(self, other: Findings) -> Findings:
        return Findings(self.examined | other.examined, self.problems + other.problems)


def found(examined: Iterable[str], *problems: Problem | None) -> Findings:
    """What there is of the problems; None: not."""
    there = tuple(problem for problem in problems if problem is not None)
    return Findings(frozenset(examined) | {problem.code for problem in there}, there)


def unchecked(probe: str) -> str:
    """The code of the problem that a probe did not come to an end."""
    return f"unchecked.{probe}"


async def bounded(code: str, probe: Callable[[], Awaitable[Findings]], seconds: float) -> Findings:
    """The probe's findings. That it raises, or does not end in time, is a problem itself, with this `code`."""

    async def look() -> Findings:
        return await probe()

    task = asyncio.create_task(look())
    _unfinished.add(task)
    task.add_done_callback(_unfinished.discard)
    try:
        # Not asyncio.timeout: to cancel a query on a frozen server takes seconds itself.
        done, _ = await asyncio.wait({task}, timeout=seconds)
    finally:
        task.cancel()
    if not done:
        log.warning("health_unchecked", problem=code, error="no answer in time")
        return found([code], _unchecked(code, f"no answer within {seconds:g} s"))
    try:
        return task.result() + found([code])
    except Exception as error:  # whatever it is: the other probes' findings count
        log.warning("health_unchecked", problem=code, error=type(error).__name__, reason=str(error))
        return found([code], _unchecked(code, type(error).__name__))


def _unchecked(code: str, why: str) -> Problem:
    return Problem(
        code,
        f"The health check could not look: {code}",
        f"Whether all is well there, nobody knows: {why}. The worker's log has more, under health_unchecked.\n",
    )
