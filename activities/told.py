"""What an attempt tells the next one, by the details of its last heartbeat."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from temporalio import activity


@dataclass(frozen=True)
class ToldWait:
    """What the workflow was last told about why its delivery waits."""

    reason: str
    seconds: float
    """How long it was to wait."""
    times: int
    """How often the workflow was told."""


_told_here: ContextVar[tuple[int | str, ...] | None] = ContextVar("told_here", default=None)
"""What this attempt has told the next one, but for the wait. None: nothing, so that what it was told itself holds."""


def tell_next_attempt(claim_seq: int | None, failing_since: datetime | None = None) -> None:
    """Tells the next attempt that the claim handed nothing over, although the row may say "in flight" (None: it may
    have), and since when attempts fail because of our own error. Call it last before the attempt fails: a
    later heartbeat would replace it."""
    since = () if failing_since is None else (failing_since.isoformat(),)
    told = (*(() if claim_seq is None else (claim_seq,)), *since)
    _told_here.set(told)
    activity.heartbeat(*told, *_as_details(told_wait(activity.info())))


def tell_wait(wait: ToldWait) -> None:
    """Tells the next attempt what the workflow knows about the wait, beside what this attempt has told it, or was told
    itself. Call it last."""
    told = _told_here.get()
    if told is None:
        told = tuple(each for each in activity.info().heartbeat_details if not isinstance(each, dict))
    activity.heartbeat(*told, *_as_details(wait))


def refused_claim(info: activity.Info) -> int | None:
    """Returns the claim for which the previous attempt said that nothing went out."""
    return next((each for each in info.heartbeat_details if isinstance(each, int)), None)


def failing_since(info: activity.Info) -> datetime | None:
    """Returns since when all attempts up to the previous one failed because of our own error. None: the previous one
    did not fail like this."""
    since = next((each for each in info.heartbeat_details if isinstance(each, str)), None)
    return None if since is None else datetime.fromisoformat(since)


def told_wait(info: activity.Info) -> ToldWait | None:
    """Returns what an earlier attempt has told the workflow, if the previous attempt knew it."""
    details: Mapping[str, Any] | None = next((each for each in info.heartbeat_details if isinstance(each, dict)), None)
    return None if details is None else ToldWait(**details)


def forget_failing_since(info: activity.Info) -> None:
    """Takes back what the previous attempt told about errors of ours, unless this attempt tells it again. The server
    keeps the details through all attempts that send no heartbeat."""
    if failing_since(info) is not None:
        tell_next_attempt(refused_claim(info))


def _as_details(wait: ToldWait | None) -> list[dict[str, Any]]:
    return [] if wait is None else [asdict(wait)]
