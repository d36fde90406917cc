"""The scan: open a notification for everything due, then start a workflow for each that stands open."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from temporalio import workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from activities.due_items import DueItemActivities
    from activities.recovery import RecoveryActivities
    from contracts.scanning import OpenDueInput, RecoverLostInput, ScanExpiringInput, ScanExpiringResult, ScanProgress
    from contracts.sending import HEARTBEAT_TIMEOUT
    from workflows import retry_policies
    from workflows.fan_out import PAGE_TIMEOUT, FanOut
    from workflows.start_held import start_when_its_hour_comes

SCHEDULED_START = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")
SWEEP_TIMEOUT = timedelta(minutes=10)
"""It asks Temporal for each workflow that it misses."""


@workflow.defn
class ScanExpiringWorkflow:
    """Finds what is about to end and sees to it that every company is told, once.

    The pages only open rows; what feeds the fan-out is the rows that stand open, whoever opened them. So a page
    that was committed but not reported, a scan that was terminated or one that overlaps another lose and double
    nothing. A run starts at most `batch_size` children; while more stand open it continues as new, so that its
    history stays small at any number of items.
    """

    @workflow.run
    async def run(self, input: ScanExpiringInput) -> ScanExpiringResult:
        progress = input.progress or await self._recover_lost(ScanProgress(_nominal_time()))
        if not progress.all_opened:
            progress = await self._open_due(input, progress)
        if not progress.all_opened:
            workflow.continue_as_new(replace(input, progress=progress))

        fan_out = FanOut(input.options, input.batch_size, progress.just_started, progress.started)
        all_started = await fan_out.run()
        if not all_started:
            progress = replace(progress, started=fan_out.started, just_started=fan_out.just_started)
            workflow.continue_as_new(replace(input, progress=progress))
        await start_when_its_hour_comes(input.options, fan_out.next_start_at)
        return ScanExpiringResult(
            progress.found, progress.opened, fan_out.started, progress.recovered, progress.too_many
        )

    async def _recover_lost(self, progress: ScanProgress) -> ScanProgress:
        """The sweep: what stands open though its workflow is gone or has ended."""
        if not workflow.patched("recover-lost"):
            return progress
        after: int | None = 0
        while after is not None:
            page = await workflow.execute_activity_method(
                RecoveryActivities.recover_lost,
                RecoverLostInput(after),
                start_to_close_timeout=SWEEP_TIMEOUT,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=retry_policies.DATABASE,
                summary="Recover what has lost its workflow",
            )
            after = page.next_after
            progress = replace(progress, recovered=progress.recovered + page.restarted + page.settled)
        return progress

    async def _open_due(self, input: ScanExpiringInput, progress: ScanProgress) -> ScanProgress:
        """Opens page after page, as many as one run may."""
        for _ in range(input.pages_per_run):
            page = await workflow.execute_activity_method(
                DueItemActivities.open_due_notifications,
                OpenDueInput(progress.scan_at, input.page_size, progress.next_page, input.allow_many, progress.found),
                start_to_close_timeout=PAGE_TIMEOUT,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=retry_policies.DATABASE,
                summary=f"Open what is due, after {progress.opened}" if progress.opened else "Open what is due",
            )
            progress = replace(
                progress,
                found=progress.found + page.found,
                opened=progress.opened + page.opened,
                next_page=page.next_page,
                all_opened=page.next_page is None,
                too_many=page.too_many,
            )
            if progress.all_opened:
                break
        return progress


def _nominal_time() -> datetime:
    """When the Schedule meant this scan to run; a scan started by hand is meant for when it started."""
    scheduled = workflow.info().typed_search_attributes.get(SCHEDULED_START)
    return (scheduled or workflow.info().start_time).astimezone(UTC)
