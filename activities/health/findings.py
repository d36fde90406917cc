"""The findings of a probe: the problems that it found, and those that it looked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import structlog

from runtime.probing import NoAnswerInTime, answer_within

DATABASE = "database"
"""The code of the problem that the database is away. It is never in the table of problems, which is away too."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Problem:
    """A problem, as the operators are alerted of it. Histories and logs contain only its `code`."""

    code: str
    """Stable: it stays the same while the problem lasts."""
    subject: str
    message: str
    channel: str | None = None
    """The name of the channel that the problem is about."""


@dataclass(frozen=True)
class Findings:
    """`examined` are the codes that were looked for. A code that is not among the problems is over."""

    examined: frozenset[str] = frozenset()
    problems: tuple[Problem, ...] = ()

    def __add__(self, other: Findings) -> Findings:
        return Findings(self.examined | other.examined, self.problems + other.problems)


def found(examined: Iterable[str], *problems: Problem | None) -> Findings:
    """Returns findings with those problems that are not None."""
    there = tuple(problem for problem in problems if problem is not None)
    return Findings(frozenset(examined) | {problem.code for problem in there}, there)


def unchecked_code(probe: str) -> str:
    """Returns the code of the problem that a probe failed or did not end in time."""
    return f"unchecked.{probe}"


async def run_probe(code: str, probe: Callable[[], Awaitable[Findings]], seconds: float) -> Findings:
    """Returns the probe's findings. If it raises or does not end in time, that is a problem with this `code`."""

    try:
        return await answer_within(seconds, probe) + found([code])
    except NoAnswerInTime:
        log.warning("health_unchecked", problem=code, error="no answer in time")
        return found([code], _unchecked(code, f"the probe did not answer within {seconds:g} s"))
    except Exception as error:  # noqa: BLE001 - any error: the other probes' findings must still count
        log.warning("health_unchecked", problem=code, error=type(error).__name__, reason=str(error))
        return found([code], _unchecked(code, type(error).__name__))


def _unchecked(code: str, why: str) -> Problem:
    return Problem(
        code,
        f"Part of the health check failed: {code}",
        f"Status unknown: {why}. For details search the worker's log for the event health_unchecked.\n",
    )
