"""Starts a workflow for each open notification. Every workflow that opens notifications uses it."""

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
    from workflows.summaries import notification_details, notification_summary, waiting_for_room

PAGE_TIMEOUT = timedelta(minutes=2)
FIRST_WAIT_FOR_ROOM = timedelta(seconds=2)
LONGEST_WAIT_FOR_ROOM = timedelta(minutes=1)
WAITS_PER_RUN = 50
CHUNK = 100
"""Children whose starts are awaited together."""
FULL_HISTORY = 3000
"""Events after which a run starts no further chunk. A child costs its parent nine events at most, and a run's history
must stay under 4,096."""


class FanOut:
    """Starts children in one run of a workflow, at most `batch_size`. The next run starts what is left.

    It starts every open notification, not only those that the caller opened. So it also starts what a terminated scan
    left open.
    """

    def __init__(self, options: SendOptions, batch_size: int, just_started: list[int], started: int) -> None:
        self._options = options
        self._batch_size = batch_size
        self.just_started = just_started
        """Started but not recorded yet. The next run records them."""
        self.started = started
        """Children started over all runs."""
        self.next_start_at: datetime | None = None
        """Set once everything is started: when the first quiet hours end that hold a notification."""

    async def run(self) -> bool:
        """Starts children. Returns whether everything that may start now was started. False: continue as new, and run
        it again."""
        while True:
            batch = await self._take_startable()
            if not batch.notifications and not batch.waiting:
                self.next_start_at = batch.next_start_at
                return True
            await self._start_children(batch.notifications)
            if batch.waiting or len(self.just_started) < len(batch.notifications):
                return False

    async def _take_startable(self) -> TakeStartableResult:
        """Records what was started and takes the next batch. Waits while too many are in flight. It waits at the start
        of a run, when no ends of children fill the history."""
        wait = FIRST_WAIT_FOR_ROOM
        just_started = self.just_started
        for _ in range(WAITS_PER_RUN):
            batch = await workflow.execute_activity_method(
                DueItemActivities.take_startable,
                TakeStartableInput(just_started, self._batch_size),
                start_to_close_timeout=PAGE_TIMEOUT,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=retry_policies.DATABASE,
                summary=f"Take what is open, after {self.started}" if self.started else "Take what is open",
            )
            if batch.notifications or not batch.waiting:
                break
            just_started = []
            workflow.set_current_details(waiting_for_room(workflow.now() + wait))
            await workflow.sleep(wait, summary="Wait for room: too many are in flight")
            wait = min(wait * 2, LONGEST_WAIT_FOR_ROOM)
        workflow.set_current_details("")
        return batch

    async def _start_children(self, notifications: list[StartableNotification]) -> None:
        """Starts children in order, as many as the history has room for. The rest stays open for the next run."""
        self.just_started = []
        for first in range(0, len(notifications), CHUNK):
            if workflow.info().get_current_history_length() > FULL_HISTORY:
                break
            chunk = notifications[first : first + CHUNK]
            self.started += sum(await asyncio.gather(*(self._start_child(each) for each in chunk)))
            self.just_started += [each.notification_id for each in chunk]

    async def _start_child(self, notification: StartableNotification) -> bool:
        """Starts the notification's workflow. Returns False if it already has one.

        If that workflow has ended, the database is behind Temporal, as after a restored backup. Then nothing is sent
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
            await self._signal_reopened(notification)
            return False
        return True

    async def _signal_reopened(self, notification: StartableNotification) -> None:
        """Signals the running workflow to try what an operator has reopened. If it has just ended, the next sweep
        starts it again."""
        running = workflow.get_external_workflow_handle_for(SendNotificationWorkflow.run, notification.workflow_id)
        for reopened in notification.to_reopen():
            signal = notification.signal_of(reopened)
            with suppress(FailureError):
                await running.signal(signal.name, signal.argument)
