"""Counts the deliveries that wait, by what they wait for, and those in doubt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


class Cause(StrEnum):
    """What a delivery waits for."""

    QUIET_HOURS = "quiet_hours"
    PAUSE = "pause"
    LIMIT = "limit"
    """Its turn: a rate limit, SCAN_MAX_IN_FLIGHT, or a worker that is free."""
    PROVIDER = "provider"
    """The provider is away, refuses for now, or has stopped the channel."""


# Open notifications are read in two halves, started or not, because there is an index for each. MATERIALIZED and OFFSET
# keep the planner from reading the whole record.
_WAITING = text("""
WITH open AS MATERIALIZED (
    SELECT n.id, held_until(n.notification_type, n.give_up_at, c.timezone, c.quiet_from, c.quiet_until) AS held_until
    FROM (
        SELECT * FROM notifications WHERE status = 'open' AND started_at IS NULL
        UNION ALL
        SELECT * FROM notifications WHERE status = 'open' AND started_at IS NOT NULL
    ) n LEFT JOIN companies c ON c.id = n.company_id
)
SELECT d.channel, count(*) AS deliveries,
       CASE WHEN open.held_until = 'infinity' THEN 'pause'
            WHEN open.held_until IS NOT NULL THEN 'quiet_hours'
            WHEN d.reason IS NOT NULL OR stop.channel IS NOT NULL THEN 'provider'
            WHEN d.reason IS NULL THEN 'limit' END AS cause
FROM open
CROSS JOIN LATERAL (SELECT * FROM deliveries WHERE notification_id = open.id OFFSET 0) d
LEFT JOIN channel_stops stop ON stop.channel = d.channel AND stop.until > now()
WHERE d.status = 'pending'
GROUP BY d.channel, cause
""")
_IN_DOUBT = text("SELECT channel, count(*) AS deliveries FROM deliveries WHERE status = 'unknown' GROUP BY channel")


@dataclass(frozen=True)
class Waiting:
    """How many deliveries of a channel wait for the same."""

    channel: str
    cause: Cause
    deliveries: int


async def count_waiting(connection: AsyncConnection) -> list[Waiting]:
    """Counts the open deliveries that are not in flight."""
    return [Waiting(row.channel, Cause(row.cause), row.deliveries) for row in await connection.execute(_WAITING)]


async def count_in_doubt(connection: AsyncConnection) -> dict[str, int]:
    """Counts the deliveries in doubt, by channel."""
    return {row.channel: row.deliveries for row in await connection.execute(_IN_DOUBT)}
