"""The payloads of the deactivation: between it, its steps and its next run."""

from __future__ import annotations

from dataclasses import dataclass, field

from contracts.sending import SendOptions


@dataclass(frozen=True)
class DeactivateEndedInput:
    page_size: int
    first_page: bool = True
    """The first page also counts all ended items, and looks for projects that should have renewed themselves."""
    allow_many: bool = False
    """An operator allows more than SCAN_MAX_NOTICES."""
    found_before: int = 0
    """Items found by the previous pages."""


@dataclass(frozen=True)
class DeactivateEndedResult:
    """What one page deactivated, including AR content that was deactivated with its project."""

    found: int
    projects: int
    contents: int
    opened: int
    """Notifications of the deactivated items."""
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
    """Ids of notifications that are started but not recorded as such yet."""
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
    """Most children that one run starts."""
    pages_per_run: int = 100
    progress: DeactivationProgress | None = None
    """None: the deactivation begins."""
    allow_many: bool = False
    """More than SCAN_MAX_NOTICES may be deactivated."""


@dataclass(frozen=True)
class DeactivateExpiredResult:
    """`started` may exceed `opened`: notifications that were already open are started too."""

    found: int
    """Items that had ended and were not postponed."""
    projects: int
    contents: int
    """Deactivated at their own end or with their project."""
    opened: int
    started: int
    too_many: bool = False
    """`found` exceeds SCAN_MAX_NOTICES, so nothing was deactivated."""
