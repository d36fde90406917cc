"""What the health check hands to its steps and to its next run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Outage:
    """The database does not answer. Nothing of it can be recorded there, so the workflow keeps it."""

    since: datetime
    """When it was first found."""
    alerted_at: datetime | None = None
    """When an alert last reached the operators without the record."""


@dataclass(frozen=True)
class CheckHealthInput:
    """Durations are seconds."""

    interval: float
    """Between two looks at a database that is away."""
    alert_cooldown: float
    ping: bool = False
    """A watch outside waits to hear of every check that found nothing wrong."""
    once: bool = False
    """Somebody waits for the result: one look, also with the database away."""
    looks_per_run: int = 100
    """At a database that is away."""
    outage: Outage | None = None
    """One run hands it to the next."""


@dataclass(frozen=True)
class HealthReport:
    """What one check found, by the problems' stable codes."""

    problems: list[str]
    raised: list[str] = field(default_factory=list)
    """Of these the operators were alerted now; of the others lately."""
    over: list[str] = field(default_factory=list)
    """Alerted of before, and not found any more."""
    database_away: bool = False
    """Then nothing was recorded and nobody alerted."""
    alert_channels: list[str] = field(default_factory=list)
    """With the database away: the channels by which the workflow is to alert. Empty: a worker of 0.3.0 made it."""


@dataclass(frozen=True)
class DirectAlert:
    """An alert without a record, over one channel."""

    channel: str
    since: datetime
    at: datetime
    problems: list[str]


@dataclass(frozen=True)
class OutageOver:
    since: datetime
    until: datetime
