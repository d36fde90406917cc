"""What a check of `doctor` says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from activities.health.findings import Findings


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    """It works, but somebody should look at it."""
    FAILED = "failed"
    NOT_CHECKED = "not_checked"
    """Nobody knows: it could not be looked at."""


@dataclass(frozen=True)
class Result:
    """`says` is one sentence for people. It may quote what a server said, but no secret."""

    state: State
    says: str
    todo: str = ""
    """What to do next."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """The same for programs: JSON values and times."""


def ok(says: str, **details: Any) -> Result:
    return Result(State.OK, says, details=details)


def warning(says: str, todo: str, **details: Any) -> Result:
    return Result(State.WARNING, says, todo, details)


def failed(says: str, todo: str, **details: Any) -> Result:
    return Result(State.FAILED, says, todo, details)


def not_checked(says: str, todo: str = "") -> Result:
    return Result(State.NOT_CHECKED, says, todo)


def of_findings(findings: Findings, well: str, state: State = State.FAILED, **details: Any) -> Result:
    """Returns the result of a probe of the health check: `well` without a problem, else `state` with what it found."""
    if not findings.problems:
        return ok(well, **details)
    return Result(
        state,
        "; ".join(problem.subject for problem in findings.problems),
        "\n".join(problem.message.strip() for problem in findings.problems if problem.message.strip()),
        {"problems": [problem.code for problem in findings.problems], **details},
    )
