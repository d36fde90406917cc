"""The payloads of the health check: between it, its steps and its next run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Outage:
    """The database is away. That cannot be recorded in it, so the workflow remembers it."""

    since: datetime
    """When it was first noticed."""
    alerted_at: datetime | None = None
    """When an alert without a record last reached the operators."""


@dataclass(frozen=True)
class CheckHealthInput:
    """Durations are seconds."""

    interval: float
    """Between two looks at a database that is away."""
    alert_cooldown: float
    ping: bool = False
    """Call the external monitor after each check that found no problem."""
    once: bool = False
    """Look only once, even if the database is away: an operator waits for the result."""
    looks_per_run: int = 100
    """Most looks at a database that is away."""
    outage: Outage | None = None
    """Passed from one run to the next."""


@dataclass(frozen=True)
class HealthReport:
    """The stable codes of the problems that one check found."""

    problems: list[str]
    raised: list[str] = field(default_factory=list)
    """Those of the problems that this check alerted. The others were alerted recently."""
    over: list[str] = field(default_factory=list)
    """Problems that were alerted before and are over."""
    database_away: bool = False
    """The database is away, so this check recorded and alerted nothing."""
    alert_channels: list[str] = field(default_factory=list)
    """The channels on which the workflow must alert if the database is away. Empty in a report from a 0.3.0 worker."""


@dataclass(frozen=True)
class DirectAlert:
    """An alert without a record, on one channel."""

    channel: str
    since: datetime
    at: datetime
    problems: list[str]


@dataclass(frozen=True)
class OutageOver:
    since: datetime
    until: datetime
