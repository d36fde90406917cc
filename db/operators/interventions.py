"""Records what operators do by hand: who, what and why."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Text, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

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
