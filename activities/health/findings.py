"""What a probe found: the problems, and which there could have been."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import structlog

from runtime.probing import NoAnswerInTime, answer_within

log = structlog.get_logger(__name__)


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
    """The probe's findings. If it raises or does not end in time, that is a problem itself, with this `code`."""

    try:
        return await answer_within(seconds, probe) + found([code])
    except NoAnswerInTime:
        log.warning("health_unchecked", problem=code, error="no answer in time")
        return found([code], _unchecked(code, f"the probe did not answer within {seconds:g} s"))
    except Exception as error:  # noqa: BLE001 - whatever it is: the other probes' findings count
        log.warning("health_unchecked", problem=code, error=type(error).__name__, reason=str(error))
        return found([code], _unchecked(code, type(error).__name__))


def _unchecked(code: str, why: str) -> Problem:
    return Problem(
        code,
        f"The health check could not look: {code}",
        f"Status unknown: {why}. The worker's log has more, under health_unchecked.\n",
    )
