"""The scan: opens a notification for each due item, then starts a workflow for each open notification."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.due_items import DueItemActivities
    from activities.recovery import RecoveryActivities
    from contracts.scanning import OpenDueInput, RecoverLostInput, ScanExpiringInput, ScanExpiringResult, ScanProgress
    from contracts.sending import HEARTBEAT_TIMEOUT
    from workflows import retry_policies
    from workflows.fan_out import PAGE_TIMEOUT
    from workflows.nominal_time import nominal_time
    from workflows.paging import page_then_fan_out

SWEEP_TIMEOUT = timedelta(minutes=10)
"""The sweep asks Temporal about each workflow that is not running."""


@workflow.defn
class ScanExpiringWorkflow:
    """Finds what is about to end, and makes sure that every company is notified once.

    The pages only open notifications. The fan-out starts every open notification, from this scan or another. So nothing
    is lost or doubled if a page is committed but not reported, if a scan is terminated, or if two scans overlap.
    """

    @workflow.run
    async def run(self, input: ScanExpiringInput) -> ScanExpiringResult:
        async def open_page(progress: ScanProgress) -> ScanProgress:
            return await self._open_page(input, progress)

        progress = await page_then_fan_out(
            input,
            input.progress or await self._recover_lost(ScanProgress(nominal_time())),
            open_page,
            lambda progress: replace(input, progress=progress),
        )
        return ScanExpiringResult(
            progress.found, progress.opened, progress.started, progress.recovered, progress.too_many
        )

    async def _recover_lost(self, progress: ScanProgress) -> ScanProgress:
        """Recovers notifications that are open although their workflow is gone or has ended."""
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
                summary="Recover notifications without a workflow",
            )
            after = page.next_after
            progress = replace(progress, recovered=progress.recovered + page.restarted + page.settled)
        return progress

    async def _open_page(self, input: ScanExpiringInput, progress: ScanProgress) -> ScanProgress:
        page = await workflow.execute_activity_method(
            DueItemActivities.open_due_notifications,
            OpenDueInput(progress.scan_at, input.page_size, progress.next_page, input.allow_many, progress.found),
            start_to_close_timeout=PAGE_TIMEOUT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=retry_policies.DATABASE,
            summary=f"Open what is due, after {progress.opened}" if progress.opened else "Open what is due",
        )
        return replace(
            progress,
            found=progress.found + page.found,
            opened=progress.opened + page.opened,
            next_page=page.next_page,
            all_opened=page.next_page is None,
            too_many=page.too_many,
        )
