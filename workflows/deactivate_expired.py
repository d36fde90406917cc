"""The deactivation: deactivate what has ended, then start a workflow for each notification that is open."""

from __future__ import annotations

from dataclasses import replace

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.deactivation import DeactivationActivities
    from contracts.deactivating import (
        DeactivateEndedInput,
        DeactivateExpiredInput,
        DeactivateExpiredResult,
        DeactivationProgress,
    )
    from contracts.sending import HEARTBEAT_TIMEOUT
    from workflows import retry_policies
    from workflows.fan_out import PAGE_TIMEOUT
    from workflows.paging import page_then_fan_out


@workflow.defn
class DeactivateExpiredWorkflow:
    """Deactivates what has ended, and makes sure that every company hears of it once.

    A page finds only what is still active. So nothing is lost or doubled if a page is committed but not reported.
    """

    @workflow.run
    async def run(self, input: DeactivateExpiredInput) -> DeactivateExpiredResult:
        async def deactivate_page(progress: DeactivationProgress) -> DeactivationProgress:
            return await self._deactivate_page(input, progress)

        progress = await page_then_fan_out(
            input,
            input.progress or DeactivationProgress(),
            deactivate_page,
            lambda progress: replace(input, progress=progress),
        )
        return DeactivateExpiredResult(
            progress.found, progress.projects, progress.contents, progress.opened, progress.started, progress.too_many
        )

    async def _deactivate_page(
        self, input: DeactivateExpiredInput, progress: DeactivationProgress
    ) -> DeactivationProgress:
        done = progress.projects + progress.contents
        page = await workflow.execute_activity_method(
            DeactivationActivities.deactivate_ended,
            DeactivateEndedInput(input.page_size, progress.first_page, input.allow_many, progress.found),
            start_to_close_timeout=PAGE_TIMEOUT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=retry_policies.DATABASE,
            summary=f"Deactivate what has ended, after {done}" if done else "Deactivate what has ended",
        )
        return replace(
            progress,
            first_page=False,
            all_off=not page.more,
            found=progress.found + page.found,
            projects=progress.projects + page.projects,
            contents=progress.contents + page.contents,
            opened=progress.opened + page.opened,
            too_many=page.too_many,
        )
