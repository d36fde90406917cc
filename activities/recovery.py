"""Recovers open notifications whose workflow is not running any more."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.metrics import count_ended, meter_here
from contracts.scanning import RecoverLostInput, RecoverLostResult
from contracts.sending import DeliveryStatus, KnownDelivery, Reason, SendNotificationResult, SendResult
from db.engine import autocommit
from db.record import recover, settle
from db.record.recover import StartedNotification

RUNNING = "WorkflowType = 'SendNotificationWorkflow' AND ExecutionStatus = 'Running'"
AT_A_TIME = 20
"""Requests to Temporal in parallel."""
_ENDED_BY_OPERATOR = {
    WorkflowExecutionStatus.TERMINATED: Reason.TERMINATED,
    WorkflowExecutionStatus.CANCELED: Reason.CANCELLED,
}

log = structlog.get_logger(__name__)


class RecoveryActivities:
    """Compares the open notifications with the workflows that Temporal runs."""

    def __init__(self, engine: AsyncEngine, client: Client) -> None:
        self._engine = autocommit(engine)
        self._client = client

    @activity.defn
    async def recover_lost(self, input: RecoverLostInput) -> RecoverLostResult:
        """Recovers one page. May run twice: a second run changes nothing that the first has settled or restarted.

        - The workflow is lost, has failed or timed out: the fan-out starts it again, once. The second time the
          deliveries end as `failed: workflow_lost`.
        - An operator terminated or cancelled it: the notification is settled as such.
        - It completed, but the row does not know it, as after a restored backup: its result is recorded, as of when it
          ended, and marked as reconstructed.
        """
        running = [each.id async for each in self._client.list_workflows(RUNNING, page_size=1000)]
        async with self._engine.connect() as connection:
            page = await recover.find_started(connection, running, input.after, input.limit)
        room = asyncio.Semaphore(AT_A_TIME)

        async def recover_each(notification: StartedNotification) -> str | None:
            async with room:
                return await self._recover(notification)

        done = await asyncio.gather(*(recover_each(each) for each in page))
        return RecoverLostResult(
            restarted=done.count("restarted"),
            settled=done.count("settled"),
            next_after=page[-1].notification_id if len(page) == input.limit else None,
        )

    async def _recover(self, notification: StartedNotification) -> str | None:
        handle = self._client.get_workflow_handle(notification.workflow_id, result_type=SendNotificationResult)
        try:
            # The list of workflows lags behind; this description does not.
            description = await handle.describe()
            status, closed_at = description.status, description.close_time
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            status = closed_at = None
        if status is WorkflowExecutionStatus.RUNNING:
            return None
        if closed_at is not None and await self._hand_back(notification, status, closed_at):
            return "restarted"
        known: list[KnownDelivery] = []
        others, ended_at = settle.NO_RESULT, None
        if status is WorkflowExecutionStatus.COMPLETED:
            known, ended_at = (await handle.result()).known(), closed_at
        elif status in _ENDED_BY_OPERATOR:
            others = SendResult(DeliveryStatus.FAILED, _ENDED_BY_OPERATOR[status])
        elif not notification.recovered:  # None: another sweep was faster, or it ended meanwhile
            return "restarted" if await self._start_again(notification) else None
        else:
            others = SendResult(DeliveryStatus.FAILED, Reason.WORKFLOW_LOST)
        async with self._engine.connect() as connection:
            recorded = await settle.record(
                connection, notification.notification_id, known, others=others, ended_at=ended_at
            )
        count_ended(meter_here(), recorded.ended if recorded else [])
        log.warning(
            "lost_notification_settled",
            notification_id=notification.notification_id,
            workflow_status=status.name if status else "NOT_FOUND",
        )
        return "settled"

    async def _hand_back(
        self, notification: StartedNotification, status: WorkflowExecutionStatus | None, closed_at: datetime
    ) -> bool:
        """Hands back a notification with deliveries that an operator reopened after the workflow's end, or that it did
        not get to, so that the fan-out starts it again. Returns whether it did."""
        since = datetime.min.replace(tzinfo=UTC) if status is WorkflowExecutionStatus.COMPLETED else closed_at
        async with self._engine.connect() as connection:
            return await recover.hand_back_reopened(connection, notification.notification_id, since)

    async def _start_again(self, notification: StartedNotification) -> bool:
        """Lets the fan-out start the notification again. Returns False if it ended or was restarted meanwhile."""
        async with self._engine.connect() as connection:
            started = await recover.start_again(connection, notification.notification_id)
        if started:
            log.warning("lost_notification_restarted", notification_id=notification.notification_id)
        return started
