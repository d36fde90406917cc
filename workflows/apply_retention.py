"""The retention: removes texts and rows that are older than they are to be kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.retention import RetentionActivities
    from contracts.retention import (
        ApplyRetentionInput,
        ApplyRetentionResult,
        RemoveRecordsInput,
        RemoveTextsInput,
        RetentionProgress,
    )
    from contracts.sending import HEARTBEAT_TIMEOUT
    from workflows import retry_policies

STEP_TIMEOUT = timedelta(minutes=5)


@workflow.defn
class ApplyRetentionWorkflow:
    """Takes step after step until nothing is left that is old enough, or until its time is over. The next run goes on.

    A step finds only what is still there. So nothing is lost or doubled if a step was done but not reported.
    """

    @workflow.run  # noqa: RET503 - continue_as_new does not return
    async def run(self, input: ApplyRetentionInput) -> ApplyRetentionResult:
        progress = input.progress or RetentionProgress(workflow.now())
        progress = input.progress or RetentionProgress(workflow.now())
        for _ in range(input.steps_per_run):
            done = progress.texts_done and progress.records_done
            if done or workflow.now() - progress.began_at >= timedelta(seconds=input.longest):
                return ApplyRetentionResult(progress.texts, progress.records, progress.entries, done)
            remove = self._remove_records if progress.texts_done else self._remove_texts
            progress = await remove(progress, input.pages_per_step)
        workflow.continue_as_new(replace(input, progress=progress))

    async def _remove_texts(self, progress: RetentionProgress, pages: int) -> RetentionProgress:
        step = await workflow.execute_activity_method(
            RetentionActivities.remove_texts,
            RemoveTextsInput(pages),
            start_to_close_timeout=STEP_TIMEOUT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=retry_policies.DATABASE,
            summary=f"Remove old texts, after {progress.texts}" if progress.texts else "Remove old texts",
        )
        return replace(
            progress,
            texts_done=not step.more,
            texts=progress.texts + step.notifications,
            entries=progress.entries + step.entries,
        )

    async def _remove_records(self, progress: RetentionProgress, pages: int) -> RetentionProgress:
        step = await workflow.execute_activity_method(
            RetentionActivities.remove_records,
            RemoveRecordsInput(pages, progress.after),
            start_to_close_timeout=STEP_TIMEOUT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=retry_policies.DATABASE,
            summary=f"Remove old rows, after {progress.records}" if progress.records else "Remove old rows",
        )
        return replace(
            progress,
            records_done=not step.more,
            after=step.after,
            records=progress.records + step.notifications,
            entries=progress.entries + step.entries,
        )
