"""Records how a notification ended."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity

from contracts.sending import (
    ALWAYS_DELIVERED,
    DeliveryOutcome,
    DeliveryStatus,
    NotificationStatus,
    Reason,
    RecordOutcomeInput,
    SendNotificationResult,
)
from db.engine import autocommit
from db.record import settle

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
        """Settles the notification in one statement. May run twice: it writes no counters."""
        async with self._engine.connect() as connection:
            outcome = await settle.record(connection, input.notification_id, input.known(), input.at)
        return outcome or WITHDRAWN
