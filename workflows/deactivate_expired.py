"""The deactivation: switch off what has ended, then start a workflow for each notice that stands open."""

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
    from workflows.fan_out import PAGE_TIMEOUT, FanOut
    from workflows.start_held import start_when_its_hour_comes


@workflow.defn
class DeactivateExpiredWorkflow:
    """Switches off what has ended, and sees to it that every company hears of it, once.

    A page finds what is still on, so that one which was committed but not reported loses and doubles nothing. A run
    ends after `pages_per_run` pages or `batch_size` children and continues as new, so that its history stays small.
    """

    @workflow.run
    async def run(self, input: DeactivateExpiredInput) -> DeactivateExpiredResult:
        progress = input.progress or DeactivationProgress()
        if not progress.all_off:
            progress = await self._switch_off(input, progress)
        if not progress.all_off:
            workflow.continue_as_new(replace(input, progress=progress))

        fan_out = FanOut(input.options, input.batch_size, progress.just_started, progress.started)
        all_started = await fan_out.run()
        if not all_started:
            progress = replace(progress, started=fan_out.started, just_started=fan_out.just_started)
            workflow.continue_as_new(replace(input, progress=progress))
        await start_when_its_hour_comes(input.options, fan_out.next_start_at)
        return DeactivateExpiredResult(
            progress.found, progress.projects, progress.contents, progress.opened, fan_out.started, progress.too_many
        )

    async def _switch_off(self, input: DeactivateExpiredInput, progress: DeactivationProgress) -> DeactivationProgress:
        """Takes page after page, as many as one run may."""
        for _ in range(input.pages_per_run):
            done = progress.projects + progress.contents
            page = await workflow.execute_activity_method(
                DeactivationActivities.deactivate_ended,
                DeactivateEndedInput(input.page_size, progress.first_page, input.allow_many, progress.found),
                start_to_close_timeout=PAGE_TIMEOUT,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=retry_policies.DATABASE,
                summary=f"Switch off what has ended, after {done}" if done else "Switch off what has ended",
            )
            progress = replace(
                progress,
                first_page=False,
                all_off=not page.more,
                found=progress.found + page.found,
                projects=progress.projects + page.projects,
                contents=progress.contents + page.contents,
                opened=progress.opened + page.opened,
                too_many=page.too_many,
            )
            if progress.all_off:
                break
        return progress
