"""Finds open notifications whose workflow may be lost, and lets the next fan-out start them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.models import TIMESTAMPTZ


@dataclass(frozen=True)
class StartedNotification:
    """An open notification for which a workflow was started."""

    notification_id: int
    workflow_id: str
    recovered: bool
    """Its workflow was lost before, and was started again."""


_STARTED = text("""
SELECT id AS notification_id, workflow_id, recovered_at IS NOT NULL AS recovered
FROM notifications
WHERE status = 'open' AND started_at IS NOT NULL AND id > :after AND workflow_id <> ALL(:running)
ORDER BY id
LIMIT :limit
""").bindparams(
    bindparam("after", type_=BigInteger),
    bindparam("running", type_=ARRAY(Text)),
    bindparam("limit", type_=BigInteger),
)


async def find_started(
    connection: AsyncConnection, running: Sequence[str], after: int, limit: int
) -> list[StartedNotification]:
    """Returns the next open notifications that were started but whose workflow is not known to run. Reads only."""
    rows = await connection.execute(_STARTED, {"running": list(running), "after": after, "limit": limit})
    return [StartedNotification(**row) for row in rows.mappings()]


_START_AGAIN = text("""
UPDATE notifications SET started_at = NULL, recovered_at = now()
WHERE id = :notification_id AND status = 'open' AND recovered_at IS NULL
""").bindparams(bindparam("notification_id", type_=BigInteger))


async def start_again(connection: AsyncConnection, notification_id: int) -> bool:
    """Lets the next fan-out start the notification again. Returns False if that was done before or it has ended."""
    result = await connection.execute(_START_AGAIN, {"notification_id": notification_id})
    return result.rowcount == 1


_HAND_BACK = text("""
UPDATE notifications n SET started_at = NULL
WHERE n.id = :notification_id AND n.status = 'open' AND EXISTS (
    SELECT FROM deliveries d WHERE d.notification_id = n.id AND d.reopened_at > :since
)
""").bindparams(bindparam("notification_id", type_=BigInteger), bindparam("since", type_=TIMESTAMPTZ))


async def hand_back_reopened(connection: AsyncConnection, notification_id: int, since: datetime) -> bool:
    """Lets the next fan-out start the notification again, if one of its deliveries was reopened after `since` and not
    claimed yet. Returns whether it was."""
    result = await connection.execute(_HAND_BACK, {"notification_id": notification_id, "since": since})
    return result.rowcount == 1
