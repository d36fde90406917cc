"""One notification to one company: both channels side by side, then the record."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError

with workflow.unsafe.imports_passed_through():
    from activities.email import EmailActivities
    from activities.outcomes import OutcomeActivities
    from activities.telegram import TelegramActivities
    from contracts import (
        DeliveryStatus,
        Reason,
        RecordOutcomeInput,
        SendInput,
        SendNotificationInput,
        SendNotificationResult,
        SendResult,
        TaskQueue,
        task_queue,
    )
    from workflows import retry_policies, search_attributes

RECORD_ATTEMPT = timedelta(seconds=5)


@workflow.defn
class SendNotificationWorkflow:
    """Tries each channel until it ends or the notice would be pointless, and records how it went.

    A delivery that fails is data: the workflow completes. It fails only on a bug. Started again it sends nothing
    that was accepted before, since every attempt claims its delivery in the database.
    """

    @workflow.run
    async def run(self, input: SendNotificationInput) -> SendNotificationResult:
        try:
            email, telegram = await self._send_both(input)
        except asyncio.CancelledError:
            cancelled = SendResult(DeliveryStatus.FAILED, Reason.CANCELLED)
            await self._record(RecordOutcomeInput(input.notification_id, cancelled, cancelled))
            raise
        recording = asyncio.create_task(self._record(RecordOutcomeInput(input.notification_id, email, telegram)))
        try:
            return await asyncio.shield(recording)
        except asyncio.CancelledError:  # too late to stop anything: what happened is recorded all the same
            await recording
            raise

    async def _send_both(self, input: SendNotificationInput) -> tuple[SendResult, SendResult]:
        """Waits for both channels to end, also when the workflow is cancelled meanwhile or one of them raises."""
        ends = await asyncio.gather(self._send_email(input), self._send_telegram(input), return_exceptions=True)
        email, telegram = ends
        if isinstance(email, BaseException):
            raise email
        if isinstance(telegram, BaseException):
            raise telegram
        return email, telegram

    async def _send_email(self, input: SendNotificationInput) -> SendResult:
        if (remaining := input.give_up_at - workflow.now()) <= timedelta(0):
            return SendResult(DeliveryStatus.FAILED, Reason.GAVE_UP)
        try:
            return await workflow.execute_activity_method(
                EmailActivities.send_email,
                SendInput(input.notification_id, input.give_up_at),
                task_queue=task_queue(input.options.queue_prefix, TaskQueue.EMAIL),
                schedule_to_close_timeout=remaining,
                start_to_close_timeout=timedelta(seconds=input.options.email_attempt_timeout)
                + retry_policies.ATTEMPT_MARGIN,
                heartbeat_timeout=retry_policies.HEARTBEAT_TIMEOUT,
                retry_policy=retry_policies.email(input.options.email_retry_initial),
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                summary=f"E-mail of notification {input.notification_id}",
            )
        except ActivityError as error:
            return _left_without_result(error)

    async def _send_telegram(self, input: SendNotificationInput) -> SendResult:
        if (remaining := input.give_up_at - workflow.now()) <= timedelta(0):
            return SendResult(DeliveryStatus.FAILED, Reason.GAVE_UP)
        try:
            return await workflow.execute_activity_method(
                TelegramActivities.send_telegram,
                SendInput(input.notification_id, input.give_up_at),
                task_queue=task_queue(input.options.queue_prefix, TaskQueue.TELEGRAM),
                schedule_to_close_timeout=remaining,
                start_to_close_timeout=timedelta(seconds=input.options.telegram_attempt_timeout)
                + retry_policies.ATTEMPT_MARGIN,
                heartbeat_timeout=retry_policies.HEARTBEAT_TIMEOUT,
                retry_policy=retry_policies.telegram(input.options.telegram_retry_initial),
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                summary=f"Telegram message of notification {input.notification_id}",
            )
        except ActivityError as error:
            return _left_without_result(error)

    async def _record(self, outcome: RecordOutcomeInput) -> SendNotificationResult:
        """Records in this workflow's own task; with the database away, as an activity that outlasts it."""
        try:
            recorded = await workflow.execute_local_activity_method(
                OutcomeActivities.record_outcome,
                outcome,
                start_to_close_timeout=RECORD_ATTEMPT,
                retry_policy=retry_policies.RECORD_LOCALLY,
                summary=f"Record of notification {outcome.notification_id}",
            )
        except (ActivityError, ApplicationError):  # a local activity's own failure comes without an ActivityError
            recorded = await workflow.execute_activity_method(
                OutcomeActivities.record_outcome,
                outcome,
                start_to_close_timeout=timedelta(seconds=30),
                retry_policy=retry_policies.DATABASE,
                summary=f"Record of notification {outcome.notification_id}, once the database is back",
            )
        workflow.upsert_search_attributes(
            [
                search_attributes.EMAIL_OUTCOME.value_set(recorded.email.value),
                search_attributes.TELEGRAM_OUTCOME.value_set(recorded.telegram.value),
            ]
        )
        return recorded


def _left_without_result(error: ActivityError) -> SendResult:
    """What to record of a channel whose activity failed, unless its attempt has settled the delivery itself."""
    if isinstance(error.cause, ApplicationError) and error.cause.type:
        return SendResult(DeliveryStatus.FAILED, error.cause.type)
    if isinstance(error.cause, TimeoutError):
        return SendResult(DeliveryStatus.FAILED, Reason.GAVE_UP)
    return SendResult(DeliveryStatus.FAILED, Reason.NO_RESULT)
