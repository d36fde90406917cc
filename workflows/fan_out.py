"""Starts a workflow for each open notification, whoever opened it. Shared by all that open some."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import FailureError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from activities.due_items import DueItemActivities
    from contracts.scanning import StartableNotification, TakeStartableInput, TakeStartableResult
    from contracts.sending import HEARTBEAT_TIMEOUT, SendOptions
    from workflows import retry_policies, search_attributes
    from workflows.send_notification import SendNotificationWorkflow
    from workflows.summaries import notification_details, notification_summary

PAGE_TIMEOUT = timedelta(minutes=2)
FIRST_WAIT_FOR_ROOM = timedelta(seconds=2)
LONGEST_WAIT_FOR_ROOM = timedelta(minutes=1)
WAITS_PER_RUN = 50
CHUNK = 100
"""Children whose starts are awaited together."""
FULL_HISTORY = 3000
"""Events after which a run starts no further chunk: a child costs its parent nine events at the very most, and a
run's history is to stay under 4,096."""


class FanOut:
    """Starts children in one run of a workflow, at most `batch_size`. The next run starts what is left.

    It starts every open row, not only what the caller has opened. So it also starts what a scan that died has left.
    """

    def __init__(self, options: SendOptions, batch_size: int, just_started: list[int], started: int) -> None:
        self._options = options
        self._batch_size = batch_size
        self.just_started = just_started
        """Started, but not recorded yet: the next run hands them in."""
        self.started = started
        """Over all runs."""
        self.next_start_at: datetime | None = None
        """Once all is started: when the first quiet hours end that hold others back."""

    async def run(self) -> bool:
        """Returns whether all that may start now was started. False: continue as new, and run it again."""
        while True:
            batch = await self._take_startable()
            if not batch.notifications and not batch.waiting:
                self.next_start_at = batch.next_start_at
                return True
            await self._start_children(batch.notifications)
            if batch.waiting or len(self.just_started) < len(batch.notifications):
                return False

    async def _take_startable(self) -> TakeStartableResult:
        """Records what was started and takes the next batch. With too many in flight it waits for room. It does so at
        the start of a run, which has no children yet whose ends would fill its history."""
        wait = FIRST_WAIT_FOR_ROOM
        just_started = self.just_started
        for _ in range(WAITS_PER_RUN):
            batch = await workflow.execute_activity_method(
                DueItemActivities.take_startable,
                TakeStartableInput(just_started, self._batch_size),
                start_to_close_timeout=PAGE_TIMEOUT,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=retry_policies.DATABASE,
                summary=f"Take what stands open, after {self.started}" if self.started else "Take what stands open",
            )
            if batch.notifications or not batch.waiting:
                break
            just_started = []
            await workflow.sleep(wait, summary="Wait for room: too many are in flight")
            wait = min(wait * 2, LONGEST_WAIT_FOR_ROOM)
        return batch

    async def _start_children(self, notifications: list[StartableNotification]) -> None:
        """Starts them in order, as many as the history has room for. The rest stays open for the next run."""
        self.just_started = []
        for first in range(0, len(notifications), CHUNK):
            if workflow.info().get_current_history_length() > FULL_HISTORY:
                break
            chunk = notifications[first : first + CHUNK]
            self.started += sum(await asyncio.gather(*(self._start_child(each) for each in chunk)))
            self.just_started += [each.notification_id for each in chunk]

    async def _start_child(self, notification: StartableNotification) -> bool:
        """Starts its workflow. Returns False if it has one already.

        If that one has ended, the database knows less than Temporal, as after a restored backup. Then nothing is sent
        again, and the next sweep records how it ended.
        """
        try:
            await workflow.start_child_workflow(
                SendNotificationWorkflow.run,
                notification.send_input(self._options),
                id=notification.workflow_id,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE
                if notification.again
                else WorkflowIDReusePolicy.REJECT_DUPLICATE,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                search_attributes=search_attributes.of_notification(notification),
                static_summary=notification_summary(notification),
                static_details=notification_details(self._options.api_url, notification.notification_id),
            )
        except WorkflowAlreadyStartedError:
            await self._tell_of_reopened(notification)
            return False
        return True

    async def _tell_of_reopened(self, notification: StartableNotification) -> None:
        """Signals the running workflow to try what an operator has reopened. If it has just ended, the next sweep does
        it."""
        running = workflow.get_external_workflow_handle_for(SendNotificationWorkflow.run, notification.workflow_id)
        for reopened in notification.to_reopen():
            signal = notification.signal_of(reopened)
            with suppress(FailureError):
                await running.signal(signal.name, signal.argument)
