"""What the deactivation hands to its steps and to its next run."""

from __future__ import annotations

from dataclasses import dataclass, field

from contracts.sending import SendOptions


@dataclass(frozen=True)
class DeactivateEndedInput:
    page_size: int
    first_page: bool = True
    """It counts what has ended, and looks at the projects that should have renewed themselves."""
    allow_many: bool = False
    """An operator has seen that it is more than SCAN_MAX_NOTICES and means it."""
    found_before: int = 0
    """By the pages before."""


@dataclass(frozen=True)
class DeactivateEndedResult:
    """What one page deactivated; AR content that went with its project counts."""

    found: int
    projects: int
    contents: int
    opened: int
    """Notifications that say so."""
    more: bool
    """Another page may follow."""
    too_many: bool = False
    """More than SCAN_MAX_NOTICES: this page deactivated nothing, and the operators were alerted."""


@dataclass(frozen=True)
class DeactivationProgress:
    """How far a deactivation has come; one run hands it to the next."""

    first_page: bool = True
    all_off: bool = False
    found: int = 0
    projects: int = 0
    contents: int = 0
    opened: int = 0
    started: int = 0
    just_started: list[int] = field(default_factory=list)
    """Started and not written down as such yet."""
    too_many: bool = False

    @property
    def all_paged(self) -> bool:
        """No page is left to take."""
        return self.all_off


@dataclass(frozen=True)
class DeactivateExpiredInput:
    options: SendOptions
    page_size: int = 1000
    batch_size: int = 500
    """Children that one run starts, at the most."""
    pages_per_run: int = 100
    progress: DeactivationProgress | None = None
    """None: it begins."""
    allow_many: bool = False
    """More than SCAN_MAX_NOTICES may be deactivated."""


@dataclass(frozen=True)
class DeactivateExpiredResult:
    """`started` may exceed `opened`: whatever else stood open is started too."""

    found: int
    """Items that had ended and were not held."""
    projects: int
    contents: int
    """Deactivated at their own end or with their project."""
    opened: int
    started: int
    too_many: bool = False
    """`found` is more than SCAN_MAX_NOTICES, so that nothing was deactivated."""
