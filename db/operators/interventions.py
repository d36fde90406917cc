"""Records what operators do by hand: who, what and why; and lists it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Text, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from db.models import TIMESTAMPTZ
from db.record.reopen import Subject

_NOTE = text("""
INSERT INTO interventions (action, operator, why, delivery_id, before)
VALUES (:action, :operator, :why, :delivery_id, :before)
""").bindparams(
    bindparam("action", type_=Text),
    bindparam("operator", type_=Text),
    bindparam("why", type_=Text),
    bindparam("delivery_id", type_=BigInteger),
    bindparam("before", type_=JSONB),
)


async def note(connection: AsyncConnection, subject: Subject, action: str, operator: str, why: str) -> None:
    """Records who does what to the delivery, and why. Call it in the same transaction as the change."""
    before: dict[str, Any] = {"status": subject.status, "reason": subject.reason}
    await connection.execute(
        _NOTE,
        {
            "action": action,
            "operator": operator,
            "why": why,
            "delivery_id": subject.delivery_id,
            "before": before,
        },
    )


@dataclass(frozen=True)
class InterventionFilter:
    """None means any."""

    operator: str | None = None
    action: str | None = None
    company_id: int | None = None
    project_id: int | None = None
    delivery_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Before this time."""


# A pause is a row of its own table, with who resumed it.
_LIST = text("""
WITH did AS (
    SELECT created_at, operator, action, why, delivery_id, project_id, company_id, channel, address, before
    FROM interventions
    WHERE (:delivery_id IS NULL OR delivery_id = :delivery_id)
  UNION ALL
    SELECT paused_at, operator, :pause, why, NULL, NULL, NULL, NULL, NULL, NULL FROM pauses WHERE :delivery_id IS NULL
  UNION ALL
    SELECT resumed_at, resumed_by, :resume, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM pauses WHERE :delivery_id IS NULL AND resumed_at IS NOT NULL
)
SELECT did.created_at, did.operator, did.action, did.why, did.delivery_id, d.notification_id,
       c.slug AS company_slug, p.slug AS project_slug, a.slug AS ar_content_slug,
       coalesce(did.channel, d.channel) AS channel, did.address, did.before
FROM did
LEFT JOIN deliveries d ON d.id = did.delivery_id
LEFT JOIN notifications n ON n.id = d.notification_id
LEFT JOIN projects p ON p.id = coalesce(did.project_id, n.project_id)
LEFT JOIN ar_contents a ON a.id = n.ar_content_id OR n.id IS NULL AND a.slug = did.before ->> :ar_content
LEFT JOIN companies c ON c.id = coalesce(did.company_id, n.company_id, p.company_id)
WHERE (:operator IS NULL OR did.operator = :operator)
  AND (:action IS NULL OR did.action = :action)
  AND (:company_id IS NULL OR c.id = :company_id)
  AND (:project_id IS NULL OR p.id = :project_id)
  AND (:since IS NULL OR did.created_at >= :since)
  AND (:until IS NULL OR did.created_at < :until)
ORDER BY did.created_at DESC, did.delivery_id DESC
LIMIT :limit
""").bindparams(
    bindparam("pause", "pause", type_=Text),
    bindparam("resume", "resume", type_=Text),
    bindparam("ar_content", "ar_content", type_=Text),
    bindparam("operator", type_=Text),
    bindparam("action", type_=Text),
    bindparam("company_id", type_=BigInteger),
    bindparam("project_id", type_=BigInteger),
    bindparam("delivery_id", type_=BigInteger),
    bindparam("since", type_=TIMESTAMPTZ),
    bindparam("until", type_=TIMESTAMPTZ),
    bindparam("limit", type_=BigInteger),
)


async def list_interventions(
    connection: AsyncConnection, wanted: InterventionFilter, limit: int
) -> Sequence[RowMapping]:
    """Returns what operators and callers of the API did, newest first."""
    return (await connection.execute(_LIST, asdict(wanted) | {"limit": limit})).mappings().all()
