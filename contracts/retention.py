"""The payloads of the retention: between it, its steps and its next run. They count; they name nobody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class RemoveTextsInput:
    pages: int
    """Most pages that the step takes, each in a transaction of its own."""


@dataclass(frozen=True)
class RemoveTextsResult:
    """What one step removed. Counts are notifications, and entries about addresses: suppressions and interventions."""

    notifications: int
    entries: int
    more: bool
    """Another step may find more."""


@dataclass(frozen=True)
class RemoveRecordsInput:
    pages: int
    after: int = 0
    """The last notification that an earlier step looked at, by its id."""


@dataclass(frozen=True)
class RemoveRecordsResult:
    """What one step removed: notifications with their deliveries, and interventions."""

    notifications: int
    entries: int
    after: int
    more: bool


@dataclass(frozen=True)
class RetentionProgress:
    """How far a retention has come; one run hands it to the next."""

    began_at: datetime
    texts_done: bool = False
    records_done: bool = False
    after: int = 0
    texts: int = 0
    records: int = 0
    entries: int = 0


@dataclass(frozen=True)
class ApplyRetentionInput:
    longest: float = 1800
    """Seconds. What is left after this time is removed the next day, so that no run counts as late."""
    steps_per_run: int = 200
    pages_per_step: int = 20
    progress: RetentionProgress | None = None
    """None: the retention begins."""


@dataclass(frozen=True)
class ApplyRetentionResult:
    texts: int
    """Notifications that lost their texts and recipients."""
    records: int
    """Notifications whose rows were removed."""
    entries: int
    """Suppressions and interventions that lost what names people, and interventions that were removed."""
    done: bool = True
    """Nothing old enough is left. False: the next run removes the rest."""
