"""Recognises that a provider refuses all messages for a time, and not only those to one recipient."""

from __future__ import annotations

from datetime import datetime, timedelta

FEWEST_RECIPIENTS = 3
"""If so many different recipients are refused, the refusal is about us."""
WITHIN = timedelta(seconds=10)
"""Their refusals must be this close together."""
SHORTEST_STOP = timedelta(seconds=2)
"""A shorter wait is over before a stop is in force everywhere."""
SAME_STOP = timedelta(seconds=1)
"""Providers name whole seconds, so the same end differs by this much."""


class FloodWatch:
    """Looks at one channel's refusals in one worker. It costs no statement."""

    def __init__(self) -> None:
        self._refused: dict[str, tuple[datetime, datetime]] = {}
        self._stopped_until: datetime | None = None

    def stop_until(self, recipient: str, after: timedelta, now: datetime) -> datetime | None:
        """Notes that the provider takes nothing for the recipient until `after`. Returns until when it takes nothing at
        all; None if that is not so, or was returned before.

        It is the earliest time among those that were named, so that what concerns one recipient alone stops the others
        as little as possible.
        """
        if after < SHORTEST_STOP:
            return None
        self._refused = {key: each for key, each in self._refused.items() if now - each[0] <= WITHIN}
        self._refused[recipient] = (now, now + after)
        if len(self._refused) < FEWEST_RECIPIENTS:
            return None
        until = min(until for _, until in self._refused.values())
        self._refused.clear()
        if self._stopped_until is not None and until <= self._stopped_until + SAME_STOP:
            return None
        self._stopped_until = until
        return until

    def forget(self) -> None:
        """Forgets the stop, because it could not be put in force."""
        self._stopped_until = None
