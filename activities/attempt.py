"""One attempt at one delivery: claims it, renders it, marks it in flight, hands it over and records the result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio import activity
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.service import RPCError

from activities.alerts import Alerts
from activities.faults import alert_database_fault, refusal_text
from activities.flood import FloodWatch
from activities.metrics import ACCEPTED_AFTER, ATTEMPTS, Attempted, count_ended, meter_here
from activities.refused_alike import RefusedAlike
from activities.stops import ChannelStops
from activities.told import failing_since, forget_failing_since, refused_claim, tell_next_attempt
from activities.waiting import TellWorkflow, tell_if_long
from channels.base import (
    Channel,
    InDoubt,
    NotHandedOver,
    OperatorFault,
    Receipt,
    RecipientGone,
    RecipientMoved,
    Rejected,
    Sender,
    TryAgain,
)
from contracts.sending import DeliveryOutcome, DeliveryStatus, Evidence, Reason, SendInput, SendResult
from db.engine import autocommit
from db.errors import DATABASE_ERRORS, Trouble, describe, trouble_of
from db.operators import suppressions
from db.record import attempt
from db.record.attempt import SentText
from db.record.claim import ALREADY_SETTLED, Claim, claim_delivery
from runtime.cleaning import harmless_id, without_text
from settings import Settings

SendActivity = Callable[[SendInput], Coroutine[Any, Any, SendResult]]

log = structlog.get_logger(__name__)


@dataclass
class _Progress:
    """How far an attempt got."""

    claim: Claim | None = None
    in_flight: bool = False
    database_error: Exception | None = None
    """The error of the database that ends the attempt."""
    outcome: Attempted = Attempted.INTERNAL
    """How it ended; an error that nobody foresaw says nothing else."""


class DeliveryAttempts:
    """Runs attempts on one channel. An attempt may run any number of times: its claim decides whether it sends."""

    def __init__(
        self,
        engine: AsyncEngine,
        settings: Settings,
        alerts: Alerts,
        stops: ChannelStops,
        channel: Channel,
        sender: Sender,
        tell_workflow: TellWorkflow,
    ) -> None:
        self._engine = autocommit(engine)
        self._settings = settings
        self._alerts = alerts
        self._stops = stops
        self._flood = FloodWatch()
        self._channel = channel
        self._sender = sender
        self._tell_workflow = tell_workflow
        self._refused_alike = RefusedAlike(channel, timedelta(seconds=settings.operator_fault_retry))

    def send_activity(self) -> SendActivity:
        """The activity of the channel's task queue, under the name that workflows call."""

        @activity.defn(name=self._channel.plan.activity)
        async def send(input: SendInput) -> SendResult:
            """One attempt at one delivery."""
            return await self.run(input)

        return send

    async def run(self, input: SendInput) -> SendResult:
        """Runs one attempt. Raises `ApplicationError` with a stable `type`; it is non-retryable if final."""
        progress = _Progress()
        try:
            return await self._run(input, progress)
        except ApplicationError as error:
            await tell_if_long(self._tell_workflow, self._channel.name, input, error)
            raise
        finally:
            ATTEMPTS.add(meter_here(), channel=self._channel.name, outcome=progress.outcome.value)

    async def _run(self, input: SendInput, progress: _Progress) -> SendResult:
        forget_failing_since(activity.info())
        try:
            return await self._attempt(input, progress)
        except (FailureError, *DATABASE_ERRORS) as error:
            if isinstance(error, FailureError) or error is progress.database_error:
                raise
            raise await self._record_unforeseen(error, progress) from None
        except Exception as error:  # noqa: BLE001 - whatever it is: it gets a reason, an alert and an end
            raise await self._record_unforeseen(error, progress) from None

    async def _attempt(self, input: SendInput, progress: _Progress) -> SendResult:
        claim = progress.claim = await self._claim(input, progress)
        if claim is None:
            progress.outcome = Attempted.NOT_WANTED
            return SendResult(DeliveryStatus.SKIPPED, Reason.WITHDRAWN)
        if claim.hold is not None:
            progress.outcome = Attempted.HELD
            raise self._held_error(claim)
        if claim.obstacle is not None or claim.recipient is None:
            progress.outcome = Attempted.NOT_WANTED
            if claim.obstacle != ALREADY_SETTLED:
                _count_ended(claim, claim.status, claim.reason)
            return SendResult(claim.status, claim.reason)
        structlog.contextvars.bind_contextvars(recipient=self._channel.mask(claim.recipient))

        async def mark_sending(sent: SentText) -> None:
            try:
                async with self._engine.connect() as connection:
                    marked = await attempt.mark_sending(connection, claim, sent)
            except DATABASE_ERRORS as error:
                progress.database_error, progress.outcome = error, Attempted.DATABASE
                if trouble_of(error) is Trouble.UNWRITABLE:
                    raise _unwritable(error, claim) from None
                tell_next_attempt(claim.claim_seq)
                raise
            if not marked:
                progress.outcome = Attempted.NOT_WANTED
                raise ApplicationError(
                    "A newer attempt has claimed this delivery, or its item was renewed", type="superseded"
                )
            progress.in_flight = True

        try:
            async with asyncio.timeout(self._seconds_left(input.give_up_at)):
                handing_over = self._sender.hand_over(claim, claim.recipient, mark_sending)
                receipt = await _await_answer(handing_over, lambda: progress.in_flight)
        except NotHandedOver as refusal:
            raise await self._record_refusal(claim, refusal, progress) from None
        except InDoubt as doubt:
            progress.outcome = Attempted.IN_DOUBT
            raise ApplicationError("The provider's answer was lost", type=doubt.reason) from None
        except TimeoutError:
            if progress.in_flight:
                progress.outcome = Attempted.IN_DOUBT
                raise ApplicationError("No answer in time", type=f"{self._channel.name}_timeout") from None
            timeout = TryAgain(f"{self._channel.name}_timeout")
            raise await self._record_refusal(claim, timeout, progress) from None
        progress.outcome = Attempted.ACCEPTED
        return await self._record_acceptance(claim, receipt)

    async def _claim(self, input: SendInput, progress: _Progress) -> Claim | None:
        info = activity.info()
        refused = refused_claim(info)
        try:
            async with self._engine.connect() as connection:
                return await claim_delivery(
                    connection,
                    input.notification_id,
                    self._channel.name,
                    delivery_id=input.delivery_id,
                    run_id=info.workflow_run_id or "",
                    attempt=info.attempt,
                    configured=self._channel.is_configured(self._settings),
                    resend_in_doubt=self._channel.resends_in_doubt(self._settings),
                    refused_claim=refused,
                )
        except DATABASE_ERRORS as error:
            progress.database_error, progress.outcome = error, Attempted.DATABASE
            if trouble_of(error) is Trouble.UNWRITABLE:
                raise _unwritable(error, None) from None
            if refused is not None:
                tell_next_attempt(refused)
            raise

    def _held_error(self, claim: Claim) -> ApplicationError:
        """Returns the error for a held delivery, which was not claimed. The retry comes when the quiet hours are over,
        or after PAUSE_RETRY."""
        if claim.held_until is None:
            delay = timedelta(seconds=self._settings.pause_retry)
        else:
            delay = max(claim.held_until - datetime.now(UTC), timedelta(seconds=1))
        return ApplicationError(f"Held: {claim.hold}", type=claim.hold, next_retry_delay=delay)

    def _seconds_left(self, give_up_at: datetime) -> float:
        """Seconds that this attempt may take: `schedule_to_close` does not stop a running attempt."""
        timeout = self._channel.options(self._settings).attempt_timeout
        return max(0.0, min(timeout, (give_up_at - datetime.now(UTC)).total_seconds()))

    async def _record_acceptance(self, claim: Claim, receipt: Receipt) -> SendResult:
        self._refused_alike.note_acceptance(claim.recipient or "")
        self._time_acceptance(claim)
        try:
            async with self._engine.connect() as connection:
                ended = await attempt.accept(connection, claim, receipt.provider_id, receipt.reply)
        except DATABASE_ERRORS as error:
            # The workflow keeps the evidence and records it. A retry would send a second message.
            log.warning("acceptance_deferred", error=describe(error))
            await alert_database_fault(self._alerts, error)
            evidence = Evidence(harmless_id(receipt.provider_id), without_text(receipt.reply))
            return SendResult(DeliveryStatus.ACCEPTED, evidence=evidence)
        if ended:
            _count_ended(claim, DeliveryStatus.ACCEPTED)
        return SendResult(DeliveryStatus.ACCEPTED)

    def _time_acceptance(self, claim: Claim) -> None:
        if claim.opened_at is not None:
            ACCEPTED_AFTER.record(
                meter_here(),
                datetime.now(UTC) - claim.opened_at,
                channel=self._channel.name,
                notification_type=claim.notification_type.value,
            )

    async def _record_refusal(self, claim: Claim, refusal: NotHandedOver, progress: _Progress) -> ApplicationError:
        """Records the refusal and returns the error to raise, which does not name the recipient."""
        details: list[dict[str, object]] = []
        progress.outcome = _attempted(refusal)
        try:
            async with self._engine.connect() as connection:
                if isinstance(refusal, Rejected):
                    refusal = await self._refused_alike.judge(connection, claim, refusal)
                progress.outcome = _attempted(refusal)
                await self._write_refusal(connection, claim, refusal)
        except DATABASE_ERRORS as error:
            final = isinstance(refusal, Rejected)
            log.warning("refusal_deferred", error=describe(error))
            await alert_database_fault(self._alerts, error)
            if trouble_of(error) is Trouble.UNWRITABLE and not final:
                return _unwritable(error, claim)
            # If there is no next attempt, the workflow records it.
            details = [_details(claim, reply=without_text(refusal.reply or ""), final=final)]
        if isinstance(refusal, OperatorFault):
            text = refusal_text(self._settings, self._channel, refusal.reason)
            await self._alerts.alert(refusal.reason, *text, self._channel.name)
        if isinstance(refusal, TryAgain) and refusal.after is not None:
            await self._stop_if_everybody_is_refused(claim, refusal.after)
        final = isinstance(refusal, Rejected)
        log.warning("not_handed_over", reason=refusal.reason, final=final)
        if details:
            tell_next_attempt(claim.claim_seq)
        return ApplicationError(
            f"{'Rejected' if final else 'Will be tried again'}: {refusal.reason}",
            *details,
            type=refusal.reason,
            non_retryable=final,
            next_retry_delay=self._next_retry_delay(refusal),
        )

    async def _record_unforeseen(self, error: Exception, progress: _Progress) -> ApplicationError:
        """Records an unforeseen exception, alerts the operators and returns the error to raise. Its own text
        may quote a recipient or a secret: it goes to the log only. It is final once all attempts have failed like this
        for INTERNAL_ERROR_GIVE_UP."""
        log.error("attempt_failed", error_type=type(error).__name__, exc_info=error)
        claim = None if progress.in_flight else progress.claim
        now = datetime.now(UTC)
        since = failing_since(activity.info()) or now
        reason = Reason.INTERNAL_ERROR
        if claim is not None:
            try:
                async with self._engine.connect() as connection:
                    await attempt.release(connection, claim, reason, None)
            except DATABASE_ERRORS as away:
                log.warning("refusal_deferred", error=describe(away))
        await self._alerts.alert(reason, *refusal_text(self._settings, self._channel, reason), self._channel.name)
        tell_next_attempt(claim.claim_seq if claim else None, since)
        return ApplicationError(
            "Unexpected error: see the worker's log under this workflow's id",
            *([_details(claim)] if claim else []),
            type=reason,
            non_retryable=now - since >= timedelta(seconds=self._settings.internal_error_give_up),
        )

    async def _write_refusal(self, connection: AsyncConnection, claim: Claim, refusal: NotHandedOver) -> None:
        if isinstance(refusal, RecipientMoved):
            new_key = self._channel.address_key(refusal.new_address)
            await attempt.move_recipient(connection, claim, refusal.new_address, new_key)
        if isinstance(refusal, RecipientGone):
            await suppressions.suppress(
                connection, claim.delivery_id, claim.recipient_key, refusal.reason, refusal.reply
            )
        if isinstance(refusal, Rejected):
            status = await attempt.reject(connection, claim, refusal.reason, refusal.reply)
            if status is not None:
                _count_ended(claim, status, refusal.reason)
        else:
            await attempt.release(connection, claim, refusal.reason, refusal.reply)

    async def _stop_if_everybody_is_refused(self, claim: Claim, after: timedelta) -> None:
        """Stops the channel if the provider refuses us and not this recipient alone. If that fails, each message still
        waits as long as the provider says."""
        until = self._flood.stop_until(claim.recipient or "", after, datetime.now(UTC))
        if until is None:
            return
        try:
            await self._stops.stop(self._channel.name, until)
        except (*DATABASE_ERRORS, RPCError) as error:
            self._flood.forget()
            log.warning("channel_not_stopped", until=until.isoformat(), error=type(error).__name__)

    def _next_retry_delay(self, refusal: NotHandedOver) -> timedelta | None:
        if isinstance(refusal, OperatorFault):
            return timedelta(seconds=self._settings.operator_fault_retry)
        if isinstance(refusal, RecipientMoved) and activity.info().attempt == 1:
            return timedelta(milliseconds=1)  # zero would mean the retry policy's interval
        return refusal.after if isinstance(refusal, TryAgain) else None


async def _await_answer(handing_over: Coroutine[Any, Any, Receipt], in_flight: Callable[[], bool]) -> Receipt:
    """Waits for the provider's answer. If the server gives up this attempt while the message is in flight, it still
    waits, because the answer is evidence.

    It stops if an operator cancels the workflow or the worker ends.
    """
    task = asyncio.ensure_future(handing_over)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        why = activity.cancellation_details()
        meant = why is not None and (why.cancel_requested or why.worker_shutdown)
        if meant or not activity.is_cancelled() or not in_flight():  # not cancelled: the attempt's own timeout
            raise
        return await task
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _attempted(refusal: NotHandedOver) -> Attempted:
    if isinstance(refusal, OperatorFault):
        return Attempted.REFUSED_US
    return Attempted.REJECTED if isinstance(refusal, Rejected) else Attempted.PUT_OFF


def _count_ended(claim: Claim, status: DeliveryStatus, reason: str | None = None) -> None:
    count_ended(meter_here(), [DeliveryOutcome(claim.delivery_id, claim.channel, status, reason)])


def _unwritable(error: BaseException, claim: Claim | None) -> ApplicationError:
    """Returns the final error for a value that cannot be written. Nothing was handed over."""
    log.error("delivery_unwritable", error=describe(error))
    details = [_details(claim)] if claim else []
    return ApplicationError("A value cannot be written", *details, type=Reason.UNWRITABLE, non_retryable=True)


def _details(claim: Claim, *, reply: str = "", final: bool = False) -> dict[str, object]:
    """Returns what the workflow records of a claim that handed nothing over. `final`: the provider refused it."""
    return {"claim_seq": claim.claim_seq, "reply": reply, "final": final}
