"""What a scan and a deactivation have in common: take page after page, then start what is open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts.deactivating import DeactivationProgress
    from contracts.scanning import ScanProgress
    from contracts.sending import SendOptions
    from workflows.fan_out import FanOut
    from workflows.start_held import start_when_its_hour_comes

Progress = TypeVar("Progress", ScanProgress, DeactivationProgress)


class PagedInput(Protocol):
    """How much one run does."""

    @property
    def options(self) -> SendOptions: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def pages_per_run(self) -> int: ...


async def page_then_fan_out(
    input: PagedInput,
    progress: Progress,
    take_page: Callable[[Progress], Awaitable[Progress]],
    next_input: Callable[[Progress], Any],
) -> Progress:
    """Takes all pages, then starts a workflow for each open notification. Returns how far it came.

    One run takes `pages_per_run` pages at most and starts `batch_size` children at most, so that its history stays
    small. After that the workflow continues as new with `next_input`.
    """
    for _ in range(input.pages_per_run):
        if progress.all_paged:
            break
        progress = await take_page(progress)
    if not progress.all_paged:
        workflow.continue_as_new(next_input(progress))

    fan_out = FanOut(input.options, input.batch_size, progress.just_started, progress.started)
    all_started = await fan_out.run()
    progress = replace(progress, started=fan_out.started, just_started=fan_out.just_started)
    if not all_started:
        workflow.continue_as_new(next_input(progress))
    await start_when_its_hour_comes(input.options, fan_out.next_start_at)
    return progress
