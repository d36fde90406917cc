"""Sends one notification: all its deliveries in parallel, then records the outcome."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import Priority
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError
from temporalio.exceptions import TimeoutError as TemporalTimeoutError

with workflow.unsafe.imports_passed_through():
    from activities.outcomes import OutcomeActivities
    from channels.registry import find_plan
    from contracts.queues import task_queue
    from contracts.sending import (
        ATTEMPT_MARGIN,
        HEARTBEAT_TIMEOUT,
        DeliveryStatus,
        DeliveryToSend,
        DeliveryWaits,
        Evidence,
        KnownDelivery,
        Reason,
        RecordOutcomeInput,
        ReopenedDelivery,
        SendInput,
        SendNotificationInput,
        SendNotificationResult,
        SendResult,
        has_ended,
    )
    from workflows import retry_policies, search_attributes
    from workflows.waits import Waits

RECORD_ATTEMPT = timedelta(seconds=5)


@workflow.defn
class SendNotificationWorkflow:
    """Tries each delivery until it ends or the notification is given up, and records the outcome.

    A failed delivery is a result: the workflow completes. Only a bug makes it fail. If it is started again, it sends
    nothing that was accepted before, because every attempt claims its delivery in the database.
    """

    def __init__(self) -> None:
        self._reopened: list[ReopenedDelivery] = []
        self._sends: dict[DeliveryToSend, asyncio.Task[SendResult]] = {}
        self._waits = Waits()

    @workflow.signal
    def delivery_reopened(self, reopened: ReopenedDelivery) -> None:
        """Tries a delivery again that an operator has reopened, whether it had ended or not."""
        self._note_reopened(reopened)

    @workflow.signal
    def reopened(self, channel: str) -> None:
        """The same signal for the only delivery on the channel, from releases up to 0.3.0."""
        self._note_reopened(ReopenedDelivery(None, channel))

    @workflow.signal
    def delivery_waits(self, waits: DeliveryWaits) -> None:
        """Says why a delivery waits for its next attempt. An attempt sends it if that comes much later."""
        self._waits.note(waits)

    def _note_reopened(self, reopened: ReopenedDelivery) -> None:
        if reopened not in self._reopened:
            self._reopened.append(reopened)

    @workflow.run
    async def run(self, input: SendNotificationInput) -> SendNotificationResult:
        self._waits.begin(input.notification_id, searchable=input.options.waiting_searchable)
        while True:
            recorded = await self._send_and_record(input)
            # If it is still open or was reopened at the last moment, a delivery must be sent again.
            if has_ended(recorded.status) and not self._reopened:
                return recorded
            input = replace(input, give_up_at=recorded.give_up_at or input.give_up_at)

    async def _send_and_record(self, input: SendNotificationInput) -> SendNotificationResult:
        try:
            await self._send_all(input)
        except asyncio.CancelledError:
            await self._record(RecordOutcomeInput.of(input.notification_id, self._known()), input.give_up_at)
            raise
        outcome = RecordOutcomeInput.of(input.notification_id, self._known(), workflow.now())
        recording = asyncio.create_task(self._record(outcome, input.give_up_at))
        try:
            return await asyncio.shield(recording)
        except asyncio.CancelledError:  # too late to stop anything: finish recording what happened
            await recording
            raise

    async def _send_all(self, input: SendNotificationInput) -> None:
        """Runs all deliveries and waits until each has ended, even if the workflow is cancelled or one raises."""
        self._reopened.clear()
        sends = {each: asyncio.create_task(self._send(each, input)) for each in input.to_send()}
        self._sends = sends
        try:
            while not all(send.done() for send in sends.values()):
                await workflow.wait_condition(
                    lambda: all(send.done() for send in sends.values()) or bool(self._ended_and_reopened())
                )
                for delivery, reopened in self._ended_and_reopened():
                    self._reopened.remove(reopened)
                    sends[delivery] = asyncio.create_task(self._send(delivery, input))
        except asyncio.CancelledError:
            for send in sends.values():
                send.cancel()
            await asyncio.gather(*sends.values(), return_exceptions=True)
            raise
        for send in sends.values():
            send.result()  # a bug fails the workflow

    def _ended_and_reopened(self) -> list[tuple[DeliveryToSend, ReopenedDelivery]]:
        """Returns the ended deliveries that were reopened, in order, each once."""
        found: list[tuple[DeliveryToSend, ReopenedDelivery]] = []
        for delivery, send in self._sends.items():
            meant = (each for each in self._reopened if each.means(delivery))
            if send.done() and (reopened := next(meant, None)):
                found.append((delivery, reopened))
        return found

    def _known(self) -> list[KnownDelivery]:
        """Returns the result of each send. In a cancelled workflow that may be more than the database knows."""
        return [
            KnownDelivery(delivery.delivery_id, delivery.channel, _result_of(send))
            for delivery, send in self._sends.items()
        ]

    async def _send(self, delivery: DeliveryToSend, input: SendNotificationInput) -> SendResult:
        result = await self._run_activity(delivery, input)
        self._waits.over(delivery)
        return result

    async def _run_activity(self, delivery: DeliveryToSend, input: SendNotificationInput) -> SendResult:
        if (remaining := input.give_up_at - workflow.now()) <= timedelta(0):
            return SendResult(DeliveryStatus.FAILED, Reason.GAVE_UP)
        plan = find_plan(delivery.channel)
        if plan is None:
            return SendResult(DeliveryStatus.FAILED, Reason.CHANNEL_NOT_CONFIGURED)
        options = input.options.of_channel(plan.name) or plan.options
        try:
            result: SendResult = await workflow.execute_activity(
                plan.activity,
                SendInput(input.notification_id, input.give_up_at, delivery.delivery_id),
                result_type=SendResult,
                task_queue=task_queue(input.options.queue_prefix, plan.name, urgent=input.urgent),
                schedule_to_close_timeout=remaining,
                start_to_close_timeout=timedelta(seconds=options.attempt_timeout) + ATTEMPT_MARGIN,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=plan.retry_policy(options.retry_initial),
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                summary=f"{plan.message} of notification {input.notification_id}",
                priority=Priority(fairness_key=delivery.fairness.key, fairness_weight=delivery.fairness.weight),
            )
        except ActivityError as error:
            return _result_of_failure(error)
        return result

    async def _record(self, outcome: RecordOutcomeInput, give_up_at: datetime) -> SendNotificationResult:
        """Records in this workflow's own task; if the database is away, in an activity that waits for it as long as the
        record is of use. Returns what the workflow knows if it could not be recorded."""
        try:
            recorded = await workflow.execute_local_activity_method(
                OutcomeActivities.record_outcome,
                outcome,
                start_to_close_timeout=RECORD_ATTEMPT,
                retry_policy=retry_policies.RECORD_LOCALLY,
                summary=f"Record of notification {outcome.notification_id}",
            )
        except (ActivityError, ApplicationError):  # a local activity's own failure comes without an ActivityError
            left = max(give_up_at - workflow.now(), timedelta(0))
            try:
                recorded = await workflow.execute_activity_method(
                    OutcomeActivities.record_outcome,
                    outcome,
                    schedule_to_close_timeout=left + retry_policies.RECORD_FOR,
                    start_to_close_timeout=timedelta(seconds=30),
                    retry_policy=retry_policies.DATABASE,
                    summary=f"Record of notification {outcome.notification_id}, once the database is back",
                )
            except ActivityError as error:
                if isinstance(error.cause, CancelledError):
                    raise
                recorded = SendNotificationResult.unrecorded(outcome.known())
        workflow.upsert_search_attributes(search_attributes.of_outcome(recorded, waited=self._waits.were_set))
        return recorded


def _result_of(send: asyncio.Task[SendResult]) -> SendResult:
    if send.done() and not send.cancelled() and send.exception() is None:
        return send.result()
    return SendResult(DeliveryStatus.FAILED, Reason.CANCELLED)


def _result_of_failure(error: ActivityError) -> SendResult:
    """Returns what to record for a delivery whose activity failed, unless its attempt has already settled it."""
    if isinstance(error.cause, ApplicationError) and error.cause.type:
        if error.cause.details and isinstance(refused := error.cause.details[0], dict):
            return SendResult(
                DeliveryStatus.REJECTED if refused["final"] else DeliveryStatus.FAILED,
                error.cause.type,
                Evidence(None, refused["reply"]) if refused["reply"] else None,
                refused["claim_seq"],
            )
        held = error.cause.type in (Reason.PAUSED, Reason.QUIET_HOURS)  # until its deadline passed
        return SendResult(DeliveryStatus.FAILED, Reason.GAVE_UP if held else error.cause.type)
    if isinstance(error.cause, TemporalTimeoutError):
        return SendResult(DeliveryStatus.FAILED, Reason.GAVE_UP)
    if isinstance(error.cause, CancelledError):
        return SendResult(DeliveryStatus.FAILED, Reason.CANCELLED)
    return SendResult(DeliveryStatus.FAILED, Reason.NO_RESULT)
