"""One notification to one company: both channels side by side, then the record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, TimeoutError

with workflow.unsafe.imports_passed_through():
    from activities.email import EmailActivities
    from activities.outcomes import OutcomeActivities
    from activities.telegram import TelegramActivities
    from contracts.queues import Channel, TaskQueue, task_queue
    from contracts.sending import (
        DeliveryStatus,
        Evidence,
        Fairness,
        NotificationStatus,
        Reason,
        RecordOutcomeInput,
        SendInput,
        SendNotificationInput,
        SendNotificationResult,
        SendResult,
    )
    from workflows import retry_policies, search_attributes

RECORD_ATTEMPT = timedelta(seconds=5)


@dataclass(frozen=True)
class _Send:
    """What one channel's send activity differs in from the other's."""

    activity: Callable[..., Any]
    queue: TaskQueue
    attempt_timeout: float
    retry_policy: RetryPolicy
    fairness: Fairness
    noun: str


def _how_to_send(channel: Channel, input: SendNotificationInput) -> _Send:
    options = input.options
    if channel is Channel.EMAIL:
        return _Send(
            EmailActivities.send_email,
            TaskQueue.EMAIL,
            options.email_attempt_timeout,
            retry_policies.email(options.email_retry_initial),
            input.email_fairness,
            "E-mail",
        )
    return _Send(
        TelegramActivities.send_telegram,
        TaskQueue.TELEGRAM,
        options.telegram_attempt_timeout,
        retry_policies.telegram(options.telegram_retry_initial),
        input.telegram_fairness,
        "Telegram message",
    )


@workflow.defn
class SendNotificationWorkflow:
    """Tries each channel until it ends or the notice would be pointless, and records how it went.

    A delivery that fails is data: the workflow completes. It fails only on a bug. Started again it sends nothing
    that was accepted before, since every attempt claims its delivery in the database.
    """

    def __init__(self) -> None:
        self._reopened: set[Channel] = set()
        self._sends: dict[Channel, asyncio.Task[SendResult]] = {}

    @workflow.signal
    def reopened(self, channel: Channel) -> None:
        """An operator has reopened the channel's delivery: it is tried again, whether it had ended or not."""
        self._reopened.add(channel)

    @workflow.run
    async def run(self, input: SendNotificationInput) -> SendNotificationResult:
        while True:
            recorded = await self._send_and_record(input)
            # Open still, or told so at the last moment: a delivery was reopened that had ended before.
            if recorded.status is not NotificationStatus.OPEN and not self._reopened:
                return recorded
            input = replace(input, give_up_at=recorded.give_up_at or input.give_up_at)

    async def _send_and_record(self, input: SendNotificationInput) -> SendNotificationResult:
        try:
            email, telegram = await self._send_both(input)
        except asyncio.CancelledError:
            email, telegram = self._known(Channel.EMAIL), self._known(Channel.TELEGRAM)
            await self._record(RecordOutcomeInput(input.notification_id, email, telegram))
            raise
        outcome = RecordOutcomeInput(input.notification_id, email, telegram, workflow.now())
        recording = asyncio.create_task(self._record(outcome))
        try:
            return await asyncio.shield(recording)
        except asyncio.CancelledError:  # too late to stop anything: what happened is recorded all the same
            await recording
            raise

    async def _send_both(self, input: SendNotificationInput) -> tuple[SendResult, SendResult]:
        """Waits for both channels to end, also when the workflow is cancelled meanwhile or one of them raises."""
        self._reopened.clear()
        email, telegram = Channel.EMAIL, Channel.TELEGRAM
        sends = {channel: asyncio.create_task(self._send(channel, input)) for channel in (email, telegram)}
        self._sends = sends
        try:
            while not all(send.done() for send in sends.values()):
                await workflow.wait_condition(
                    lambda: all(send.done() for send in sends.values()) or self._has_ended_and_reopened(sends)
                )
                for channel, send in sends.items():
                    if send.done() and channel in self._reopened:
                        self._reopened.discard(channel)
                        sends[channel] = asyncio.create_task(self._send(channel, input))
        except asyncio.CancelledError:
            for send in sends.values():
                send.cancel()
            await asyncio.gather(*sends.values(), return_exceptions=True)
            raise
        return sends[email].result(), sends[telegram].result()

    def _known(self, channel: Channel) -> SendResult:
        """Of a cancelled workflow: what a channel's send has brought, though the database may not have it."""
        send = self._sends.get(channel)
        if send is not None and send.done() and not send.cancelled() and send.exception() is None:
            return send.result()
        return SendResult(DeliveryStatus.FAILED, Reason.CANCELLED)

    def _has_ended_and_reopened(self, sends: dict[Channel, asyncio.Task[SendResult]]) -> bool:
        return any(sends[channel].done() for channel in self._reopened)

    async def _send(self, channel: Channel, input: SendNotificationInput) -> SendResult:
        if (remaining := input.give_up_at - workflow.now()) <= timedelta(0):
            return SendResult(DeliveryStatus.FAILED, Reason.GAVE_UP)
        send = _how_to_send(channel, input)
        try:
            return await workflow.execute_activity(
                send.activity,
                SendInput(input.notification_id, input.give_up_at),
                task_queue=task_queue(input.options.queue_prefix, send.queue, urgent=input.urgent),
                schedule_to_close_timeout=remaining,
                start_to_close_timeout=timedelta(seconds=send.attempt_timeout) + retry_policies.ATTEMPT_MARGIN,
                heartbeat_timeout=retry_policies.HEARTBEAT_TIMEOUT,
                retry_policy=send.retry_policy,
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                summary=f"{send.noun} of notification {input.notification_id}",
                priority=Priority(fairness_key=send.fairness.key, fairness_weight=send.fairness.weight),
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
        if error.cause.details and isinstance(refused := error.cause.details[0], dict):
            return SendResult(
                DeliveryStatus.REJECTED if refused["final"] else DeliveryStatus.FAILED,
                error.cause.type,
                Evidence(None, refused["reply"]),
                refused["claim_seq"],
            )
        held = error.cause.type in (Reason.PAUSED, Reason.QUIET_HOURS)  # and then its time was over
        return SendResult(DeliveryStatus.FAILED, Reason.GAVE_UP if held else error.cause.type)
    if isinstance(error.cause, TimeoutError):
        return SendResult(DeliveryStatus.FAILED, Reason.GAVE_UP)
    if isinstance(error.cause, CancelledError):
        return SendResult(DeliveryStatus.FAILED, Reason.CANCELLED)
    return SendResult(DeliveryStatus.FAILED, Reason.NO_RESULT)
