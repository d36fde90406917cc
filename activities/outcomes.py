"""Records how a notification ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.metrics import count_ended, meter_here
from contracts.sending import (
    ALWAYS_DELIVERED,
    DeliveryOutcome,
    DeliveryStatus,
    KnownDelivery,
    NotificationStatus,
    Reason,
    RecordOutcomeInput,
    SendNotificationResult,
)
from db.engine import autocommit
from db.errors import DATABASE_ERRORS, Trouble, describe, trouble_of
from db.record import settle

log = structlog.get_logger(__name__)

WITHDRAWN = SendNotificationResult.of(
    NotificationStatus.UNDELIVERED,
    [DeliveryOutcome(0, channel, DeliveryStatus.SKIPPED, Reason.WITHDRAWN) for channel in ALWAYS_DELIVERED],
)
"""The outcome of a notification that was deleted from the database."""


class OutcomeActivities:
    """Runs as a local activity of the child, or as a normal one if the database was away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = autocommit(engine)

    @activity.defn
    async def record_outcome(self, input: RecordOutcomeInput) -> SendNotificationResult:
        """Settles the notification in one statement. May run twice: it writes no counters.

        If something that the workflow knows cannot be written, it writes the deliveries' ends alone. Raises a final
        `ApplicationError` if these cannot be written either.
        """
        try:
            return await self._record(input, input.known())
        except DATABASE_ERRORS as error:
            if trouble_of(error) is not Trouble.UNWRITABLE:
                raise
            log.error("outcome_unwritable", error=describe(error))
        try:
            return await self._record(input, [_end_alone(each) for each in input.known()])
        except DATABASE_ERRORS as error:
            if trouble_of(error) is not Trouble.UNWRITABLE:
                raise
            raise ApplicationError(
                "The outcome cannot be written", type=Reason.UNWRITABLE, non_retryable=True
            ) from None

    async def _record(self, input: RecordOutcomeInput, known: Sequence[KnownDelivery]) -> SendNotificationResult:
        async with self._engine.connect() as connection:
            recorded = await settle.record(connection, input.notification_id, known, input.at)
        if recorded is None:
            return WITHDRAWN
        count_ended(meter_here(), recorded.ended)
        return recorded.result


def _end_alone(known: KnownDelivery) -> KnownDelivery:
    """Returns the delivery's end without what a provider said."""
    reason = None if known.result.status is DeliveryStatus.ACCEPTED else Reason.UNWRITABLE
    return replace(known, result=replace(known.result, reason=reason, evidence=None))
