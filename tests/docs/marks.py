"""What the HTML comment above a block says: `not run: REASON`, `run: ...`, or `output`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

REASONS = {
    "needs containers": r"\bdocker\b",
    "needs systemd": r"\b(systemctl|journalctl|systemd-\w+)\b",
    "needs Kubernetes": r"\b(kubectl|kustomize)\b",
    "needs Temporal Cloud": r"\btcld\b|tmprl\.cloud",
    "needs Prometheus": r"\b(promtool|prometheus)\b",
    "needs a mail server": r"\b(postconf|postmap|postfix|swaks)\b",
    "needs root": r"\b(apt-get|apt|useradd|chown|sudo)\b|(?<![\w.$}])/(etc|usr|var|srv|root|home)/",
    "needs the package index": r"\b(pip|pipx|make env|make audit|pip-audit)\b",
    "needs the repository": r"\bgit (clone|pull|checkout|switch|fetch|worktree|log|diff|tag)\b",
    "needs another release": r"/opt/",
    "takes minutes": r"\b(make (test|bench|lint|types|format|histories|demo|release|production)|pytest)\b",
    "is a shape": r"\.\.\.|<\w+>",
}
"""Why a block is not run, with what it must contain for the reason to be true. `is a shape` shows a command's form or a
part of a file, not a thing to type."""

NEVER_RUN = [
    *("needs containers", "needs systemd", "needs Kubernetes", "needs Temporal Cloud", "needs root"),
    *("needs the package index", "needs the repository", "needs another release"),
]
"""Reasons that are true of any block which contains their words, marked or not: it would change the machine of
whoever runs the tests."""

TESTED = re.compile(r"is tested by (tests/[\w/]+\.py)::(test_\w+)")
"""A block may also name the test that does the same."""


class MarkError(ValueError):
    """A comment is no mark that the tests know."""


@dataclass(frozen=True)
class Mark:
    """What the comment above a block says of it."""

    reason: str = ""
    """Why it is not run; empty: it is run."""
    test: tuple[str, str] | None = None
    """The file and the function that test it instead."""
    words: dict[str, str] = field(default_factory=dict)
    """What a word of the block is replaced by: `ID` by `$REJECTED`."""
    status: int = 0
    """The exit status that it ends with."""
    stays_until: str = ""
    """It is a program that stays until the page ends; the next block runs once it has written this."""
    is_output: bool = False
    """It shows what the block before has written."""


def parse_mark(comment: str) -> Mark:
    """Raises MarkError."""
    kind, _, said = comment.partition(":")
    match kind.strip():
        case "output":
            return Mark(is_output=True)
        case "not run":
            return _not_run(" ".join(said.split()))
        case "run":
            return _run(said)
        case _:
            return Mark()


def _not_run(said: str) -> Mark:
    if match := TESTED.match(said):
        return Mark(reason=match[0], test=(match[1], match[2]))
    reason = next((reason for reason in REASONS if said.startswith(reason)), None)
    if reason is None:
        raise MarkError(f"{said!r} is no reason not to run it: choose from {', '.join(REASONS)}, is tested by TEST")
    return Mark(reason=reason)


def _run(said: str) -> Mark:
    words: dict[str, str] = {}
    status, stays_until = 0, ""
    for part in (part.strip() for part in said.split(";")):
        if part.startswith("with "):
            words |= dict(_pair(each) for each in part.removeprefix("with ").split())
        elif match := re.fullmatch(r"exit (\d+)", part):
            status = int(match[1])
        elif match := re.fullmatch(r'stays until "([^"]+)"', part):
            stays_until = match[1]
        else:
            raise MarkError(f'{part!r}: write `with WORD=VALUE ...`, `exit STATUS` or `stays until "WORDS"`')
    return Mark(words=words, status=status, stays_until=stays_until)


def _pair(text: str) -> tuple[str, str]:
    word, equals, value = text.partition("=")
    if not (word and equals and value):
        raise MarkError(f"{text!r}: write WORD=VALUE")
    return word, value
