"""The sweep over open notifications whose workflow is not running any more."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from contracts.scanning import RecoverLostInput, RecoverLostResult
from contracts.sending import DeliveryStatus, KnownDelivery, Reason, SendNotificationResult, SendResult
from db.engine import autocommit
from db.record import recover, settle
from db.record.recover import StartedNotification

RUNNING = "WorkflowType = 'SendNotificationWorkflow' AND ExecutionStatus = 'Running'"
AT_A_TIME = 20
"""Questions to Temporal."""
_MEANT = {
    WorkflowExecutionStatus.TERMINATED: Reason.TERMINATED,
    WorkflowExecutionStatus.CANCELED: Reason.CANCELLED,
}

log = structlog.get_logger(__name__)


class RecoveryActivities:
    """Compares what stands open with what Temporal runs."""

    def __init__(self, engine: AsyncEngine, client: Client) -> None:
        self._engine = autocommit(engine)
        self._client = client

    @activity.defn
    async def recover_lost(self, input: RecoverLostInput) -> RecoverLostResult:
        """One page. May run twice: what is settled or to be started again is not touched again.

        - The workflow is not there, has failed or timed out: started again by the fan-out, once; the second time it
          ends `failed: workflow_lost`.
        - It was terminated or cancelled: an operator meant it, and it is settled as such.
        - It has completed, so that the row is older than what happened (a restored backup): its result is the record.
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
            # What is listed lags behind; this does not.
            description = await handle.describe()
            status, closed_at = description.status, description.close_time
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            status = closed_at = None
        if status is WorkflowExecutionStatus.RUNNING:
            return None
        if closed_at is not None and await self._handed_back(notification, status, closed_at):
            return "restarted"
        known: list[KnownDelivery] = []
        others = settle.NO_RESULT
        if status is WorkflowExecutionStatus.COMPLETED:
            known = (await handle.result()).known()
        elif status in _MEANT:
            others = SendResult(DeliveryStatus.FAILED, _MEANT[status])
        elif not notification.recovered:  # None: another sweep was faster, or it has ended meanwhile
            return "restarted" if await self._start_again(notification) else None
        else:
            others = SendResult(DeliveryStatus.FAILED, Reason.WORKFLOW_LOST)
        async with self._engine.connect() as connection:
            await settle.record(connection, notification.notification_id, known, others=others)
        log.warning(
            "lost_notification_settled",
            notification_id=notification.notification_id,
            workflow_status=status.name if status else "NOT_FOUND",
        )
        return "settled"

    async def _handed_back(
        self, notification: StartedNotification, status: WorkflowExecutionStatus | None, closed_at: datetime
    ) -> bool:
        """What an operator reopened after the workflow's end, or that it did not come to, is started anew."""
        since = datetime.min.replace(tzinfo=UTC) if status is WorkflowExecutionStatus.COMPLETED else closed_at
        async with self._engine.connect() as connection:
            return await recover.hand_back_reopened(connection, notification.notification_id, since)

    async def _start_again(self, notification: StartedNotification) -> bool:
        async with self._engine.connect() as connection:
            started = await recover.start_again(connection, notification.notification_id)
        if started:
            log.warning("lost_notification_restarted", notification_id=notification.notification_id)
        return started
