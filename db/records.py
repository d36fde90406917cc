"""What operators' lists need beside `db.notifications`: deliveries, newest first, and the companies' clocks."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BigInteger, Text, bindparam, text
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

_DELIVERIES = text("""
SELECT d.id, d.notification_id, n.notification_type, c.slug AS company_slug, p.slug AS project_slug, d.channel,
       d.status, d.reason, d.attempts, d.recipient, d.provider_id, d.provider_reply, d.possible_duplicate,
       d.created_at, d.sending_at, d.finished_at
FROM deliveries d
JOIN notifications n ON n.id = d.notification_id
LEFT JOIN companies c ON c.id = n.company_id
LEFT JOIN projects p ON p.id = n.project_id
WHERE (:status IS NULL OR d.status = :status)
  AND (:channel IS NULL OR d.channel = :channel)
  AND (:notification_id IS NULL OR d.notification_id = :notification_id)
ORDER BY d.id DESC
LIMIT :limit
""").bindparams(
    bindparam("status", type_=Text), bindparam("channel", type_=Text), bindparam("notification_id", type_=BigInteger)
)


async def list_deliveries(
    connection: AsyncConnection,
    limit: int,
    *,
    status: str | None = None,
    channel: str | None = None,
    notification_id: int | None = None,
) -> Sequence[RowMapping]:
    """The newest deliveries for which all that is given holds."""
    parameters = {"status": status, "channel": channel, "notification_id": notification_id, "limit": limit}
    return (await connection.execute(_DELIVERIES, parameters)).mappings().all()


_TIME_ZONES = text("SELECT id, timezone FROM companies WHERE id = ANY(:ids)")


async def company_time_zones(connection: AsyncConnection, company_ids: Sequence[int]) -> dict[int, str]:
    """Each company's time zone, by its id."""
    rows = await connection.execute(_TIME_ZONES, {"ids": list(company_ids)})
    return {row.id: row.timezone for row in rows}
