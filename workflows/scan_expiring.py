"""The scan: open a notification for everything due, then start a workflow for each that stands open."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from temporalio import workflow
from temporalio.common import SearchAttributeKey, WorkflowIDReusePolicy
from temporalio.exceptions import FailureError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from activities.due_items import DueItemActivities
    from activities.recovery import RecoveryActivities
    from contracts import (
        OpenDueInput,
        RecoverLostInput,
        ScanExpiringInput,
        ScanExpiringResult,
        ScanProgress,
        SendOptions,
        StartableNotification,
        TakeStartableInput,
        TakeStartableResult,
    )
    from workflows import retry_policies, search_attributes
    from workflows.send_notification import SendNotificationWorkflow
    from workflows.summaries import notification_details, notification_summary

SCHEDULED_START = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")
PAGE_TIMEOUT = timedelta(minutes=2)
SWEEP_TIMEOUT = timedelta(minutes=10)
"""It asks Temporal for each workflow that it misses."""
FIRST_WAIT_FOR_ROOM = timedelta(seconds=2)
LONGEST_WAIT_FOR_ROOM = timedelta(minutes=1)
WAITS_PER_RUN = 50
CHUNK = 100
"""Children whose starts are awaited together."""
FULL_HISTORY = 3000
"""Events after which a run starts no further chunk: a child costs its parent nine events at the very most, and a
run's history is to stay under 4,096."""


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

        while True:
            batch = await self._take_startable(input, progress)
            if not batch.notifications and not batch.waiting:
                return ScanExpiringResult(progress.found, progress.opened, progress.started, progress.recovered)
            progress = await self._start_children(input, progress, batch.notifications)
            if batch.waiting or len(progress.just_started) < len(batch.notifications):
                workflow.continue_as_new(replace(input, progress=progress))

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
                heartbeat_timeout=retry_policies.HEARTBEAT_TIMEOUT,
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
                OpenDueInput(progress.scan_at, input.page_size, progress.next_page),
                start_to_close_timeout=PAGE_TIMEOUT,
                heartbeat_timeout=retry_policies.HEARTBEAT_TIMEOUT,
                retry_policy=retry_policies.DATABASE,
                summary=f"Open what is due, after {progress.opened}" if progress.opened else "Open what is due",
            )
            progress = replace(
                progress,
                found=progress.found + page.found,
                opened=progress.opened + page.opened,
                next_page=page.next_page,
                all_opened=page.next_page is None,
            )
            if progress.all_opened:
                break
        return progress

    async def _take_startable(self, input: ScanExpiringInput, progress: ScanProgress) -> TakeStartableResult:
        """Writes down what was started and takes the next batch. With too many in flight it waits for room: at the
        start of a run, which has no children yet that would fill its history by completing."""
        wait = FIRST_WAIT_FOR_ROOM
        just_started = progress.just_started
        for _ in range(WAITS_PER_RUN):
            batch = await workflow.execute_activity_method(
                DueItemActivities.take_startable,
                TakeStartableInput(just_started, input.batch_size),
                start_to_close_timeout=PAGE_TIMEOUT,
                heartbeat_timeout=retry_policies.HEARTBEAT_TIMEOUT,
                retry_policy=retry_policies.DATABASE,
                summary=f"Take what stands open, after {progress.started}"
                if progress.started
                else "Take what stands open",
            )
            if batch.notifications or not batch.waiting:
                break
            just_started = []
            await workflow.sleep(wait, summary="Wait for room: too many are in flight")
            wait = min(wait * 2, LONGEST_WAIT_FOR_ROOM)
        return batch

    async def _start_children(
        self, input: ScanExpiringInput, progress: ScanProgress, notifications: list[StartableNotification]
    ) -> ScanProgress:
        """Starts them in order, as many as the history has room for; the rest stands open for the next run."""
        taken: list[int] = []
        started = 0
        for first in range(0, len(notifications), CHUNK):
            if workflow.info().get_current_history_length() > FULL_HISTORY:
                break
            chunk = notifications[first : first + CHUNK]
            started += sum(await asyncio.gather(*(self._start_child(each, input.options) for each in chunk)))
            taken += [each.notification_id for each in chunk]
        return replace(progress, started=progress.started + started, just_started=taken)

    async def _start_child(self, notification: StartableNotification, options: SendOptions) -> bool:
        """Whether a workflow was started for it; one that runs already is as good.

        One that has ended means that the database knows less than Temporal, as after a restored backup: what it said
        is not said again, and the next sweep takes over how it ended.
        """
        try:
            await workflow.start_child_workflow(
                SendNotificationWorkflow.run,
                notification.send_input(options),
                id=notification.workflow_id,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE
                if notification.again
                else WorkflowIDReusePolicy.REJECT_DUPLICATE,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                search_attributes=search_attributes.of_notification(notification),
                static_summary=notification_summary(notification),
                static_details=notification_details(options.api_url, notification.notification_id),
            )
        except WorkflowAlreadyStartedError:
            await self._tell_of_reopened(notification)
            return False
        return True

    async def _tell_of_reopened(self, notification: StartableNotification) -> None:
        """The workflow that runs takes up at once what an operator has reopened; one that has just ended leaves it to
        the next sweep."""
        running = workflow.get_external_workflow_handle_for(SendNotificationWorkflow.run, notification.workflow_id)
        for channel in notification.reopened:
            with suppress(FailureError):
                await running.signal(SendNotificationWorkflow.reopened, channel)


def _nominal_time() -> datetime:
    """When the Schedule meant this scan to run; a scan started by hand is meant for when it started."""
    scheduled = workflow.info().typed_search_attributes.get(SCHEDULED_START)
    return (scheduled or workflow.info().start_time).astimezone(UTC)
