"""Records how a notification ended."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity

from contracts.sending import DeliveryStatus, NotificationStatus, Reason, RecordOutcomeInput, SendNotificationResult
from db.engine import autocommit
from db.record import settle

WITHDRAWN = SendNotificationResult(
    status=NotificationStatus.UNDELIVERED,
    email=DeliveryStatus.SKIPPED,
    telegram=DeliveryStatus.SKIPPED,
    email_reason=Reason.WITHDRAWN,
    telegram_reason=Reason.WITHDRAWN,
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
