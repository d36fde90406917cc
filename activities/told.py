"""What an attempt tells the next one, by the details of its last heartbeat."""

from __future__ import annotations

from datetime import datetime

from temporalio import activity


def tell_next_attempt(claim_seq: int | None, failing_since: datetime | None = None) -> None:
    """Tells the next attempt that the claim handed nothing over, although the row may say "in flight" (None: it may
    have), and since when attempts fail because of our own error. Call it last before the attempt fails: a
    later heartbeat would replace it."""
    since = [] if failing_since is None else [failing_since.isoformat()]
    activity.heartbeat(*([] if claim_seq is None else [claim_seq]), *since)


def refused_claim(info: activity.Info) -> int | None:
    """Returns the claim for which the previous attempt said that nothing went out."""
    return next((each for each in info.heartbeat_details if isinstance(each, int)), None)


def failing_since(info: activity.Info) -> datetime | None:
    """Returns since when all attempts up to the previous one failed because of our own error. None: the previous one
    did not fail like this."""
    since = next((each for each in info.heartbeat_details if isinstance(each, str)), None)
    return None if since is None else datetime.fromisoformat(since)


def forget_failing_since(info: activity.Info) -> None:
    """Takes back what the previous attempt told about errors of ours, unless this attempt tells it again. The server
    keeps the details through all attempts that send no heartbeat."""
    if failing_since(info) is not None:
        tell_next_attempt(refused_claim(info))
