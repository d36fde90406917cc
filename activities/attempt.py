"""One attempt at one delivery: claim, render, mark in flight, hand over, write what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity
from temporalio.exceptions import ApplicationError

from channels.results import (
    InDoubt,
    NotHandedOver,
    OperatorFault,
    Receipt,
    RecipientMoved,
    Rejected,
    TryAgain,
)
from contracts import Channel, DeliveryStatus, Evidence, Reason, SendInput, SendResult
from db import deliveries
from db.deliveries import Claim, SentText
from db.engine import autocommit
from log_setup import mask, scrub

log = structlog.get_logger(__name__)

OPERATOR_FAULT_RETRY = timedelta(minutes=5)
"""With refused credentials the delivery waits for the operator, not for the backoff."""

MarkSending = Callable[[SentText], Awaitable[None]]


class Provider(Protocol):
    """What a channel does with a claimed delivery: render it and hand it over."""

    async def __call__(self, claim: Claim, recipient: str, mark_sending: MarkSending) -> Receipt:
        """Awaits `mark_sending` just before the irrevocable step; raises as `channels.results` says."""


class DeliveryAttempts:
    """Runs attempts for one channel. An attempt may run any number of times: the claim decides whether it sends."""

    def __init__(
        self,
        engine: AsyncEngine,
        channel: Channel,
        *,
        configured: bool,
        attempt_timeout: float,
        resend_in_doubt: bool,
    ) -> None:
        self._engine = autocommit(engine)
        self._channel = channel
        self._configured = configured
        self._attempt_timeout = attempt_timeout
        self._resend_in_doubt = resend_in_doubt

    async def run(self, input: SendInput, provider: Provider) -> SendResult:
        """One attempt. Raises `ApplicationError` with a stable `type`, non-retryable where that is final."""
        info = activity.info()
        async with self._engine.connect() as connection:
            claim = await deliveries.claim(
                connection,
                input.notification_id,
                self._channel,
                run_id=info.workflow_run_id or "",
                attempt=info.attempt,
                configured=self._configured,
                resend_in_doubt=self._resend_in_doubt,
            )
        if claim is None:
            return SendResult(DeliveryStatus.SKIPPED, Reason.WITHDRAWN)
        if claim.obstacle is not None or claim.recipient is None:
            return SendResult(claim.status, claim.reason)
        structlog.contextvars.bind_contextvars(recipient=mask(claim.recipient))

        in_flight = False

        async def mark_sending(sent: SentText) -> None:
            nonlocal in_flight
            async with self._engine.connect() as connection:
                if not await deliveries.mark_sending(connection, claim, sent):
                    raise ApplicationError("A newer attempt holds this delivery", type="superseded")
            in_flight = True

        try:
            async with asyncio.timeout(self._bound(input.give_up_at)):
                receipt = await provider(claim, claim.recipient, mark_sending)
        except NotHandedOver as refusal:
            raise await self._not_handed_over(claim, refusal) from None
        except InDoubt as doubt:
            raise ApplicationError("The provider's answer got lost", type=doubt.reason) from None
        except TimeoutError:
            if in_flight:
                raise ApplicationError("No answer in time", type=f"{self._channel}_timeout") from None
            raise await self._not_handed_over(claim, TryAgain(f"{self._channel}_timeout")) from None
        return await self._accepted(claim, receipt)

    def _bound(self, give_up_at: datetime) -> float:
        """Seconds this attempt may take: `schedule_to_close` does not stop an attempt that runs already."""
        return max(0.0, min(self._attempt_timeout, (give_up_at - datetime.now(UTC)).total_seconds()))

    async def _accepted(self, claim: Claim, receipt: Receipt) -> SendResult:
        try:
            async with self._engine.connect() as connection:
                await deliveries.accept(connection, claim, receipt.provider_id, receipt.reply)
        except (SQLAlchemyError, OSError) as error:
            # The workflow keeps the evidence and records it: a retry would be a second message.
            log.warning("acceptance_left_to_the_record", error=type(error).__name__)
            evidence = Evidence(receipt.provider_id, scrub(receipt.reply))
            return SendResult(DeliveryStatus.ACCEPTED, evidence=evidence)
        return SendResult(DeliveryStatus.ACCEPTED)

    async def _not_handed_over(self, claim: Claim, refusal: NotHandedOver) -> ApplicationError:
        """Writes the refusal and returns the error to raise. Nothing in it names the recipient."""
        async with self._engine.connect() as connection:
            if isinstance(refusal, RecipientMoved):
                await deliveries.move_chat(connection, claim, refusal.new_chat_id)
            if isinstance(refusal, Rejected):
                await deliveries.settle(connection, claim, DeliveryStatus.REJECTED, refusal.reason, refusal.reply)
            else:
                await deliveries.release(connection, claim, refusal.reason, refusal.reply)
        log.warning("not_handed_over", reason=refusal.reason, final=isinstance(refusal, Rejected))
        return ApplicationError(
            f"{'Rejected' if isinstance(refusal, Rejected) else 'To be tried again'}: {refusal.reason}",
            type=refusal.reason,
            non_retryable=isinstance(refusal, Rejected),
            next_retry_delay=_next_retry_delay(refusal),
        )


def _next_retry_delay(refusal: NotHandedOver) -> timedelta | None:
    if isinstance(refusal, OperatorFault):
        return OPERATOR_FAULT_RETRY
    if isinstance(refusal, RecipientMoved):
        return timedelta(milliseconds=1)  # zero would mean: as the policy says
    return refusal.after if isinstance(refusal, TryAgain) else None
