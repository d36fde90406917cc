"""Stops all that is under way to a company, before it is erased."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ARRAY, BigInteger, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.sending import Reason
from db import locks
from db.people.companies import Personal

# Nothing is sent to a disabled contact, and no scan opens a notification of an archived project. The addresses stay
# until the end, so that an erasure that was interrupted still knows what to look for.
_CLOSE = (
    text("UPDATE companies SET erased_at = coalesce(erased_at, now()) WHERE id = :company_id"),
    text("UPDATE contacts SET enabled = false WHERE company_id = :company_id"),
    text("UPDATE projects SET status = 'archived', deactivated_at = NULL WHERE company_id = :company_id"),
    text("UPDATE ar_contents SET is_active = false, deactivated_at = NULL WHERE company_id = :company_id"),
)
_NOTE = text("""
INSERT INTO interventions (action, operator, why, company_id) VALUES ('erase', :operator, :why, :company_id)
""").bindparams(
    bindparam("operator", type_=Text), bindparam("why", type_=Text), bindparam("company_id", type_=BigInteger)
)

_OPEN = """
SELECT n.id AS notification_id, n.workflow_id
FROM notifications n
WHERE n.status = 'open' AND (n.company_id = :company_id OR (
    n.company_id IS NULL AND n.notification_type = 'test' AND EXISTS (
        SELECT FROM deliveries d JOIN unnest(:channels, :keys) AS own (channel, key) ON own.channel = d.channel
        WHERE d.notification_id = n.id
          AND coalesce(n.metadata ->> (d.channel || '_recipient_key'),
                       lower(n.metadata ->> (d.channel || '_recipient'))) = own.key
    )
))
"""
_FIND_OPEN = text(f"{_OPEN} ORDER BY n.id").bindparams(
    bindparam("company_id", type_=BigInteger),
    bindparam("channels", type_=ARRAY(Text)),
    bindparam("keys", type_=ARRAY(Text)),
)
# An attempt that has claimed a delivery can no longer mark it as in flight, since it is not pending any more.
_CANCEL = text("""
WITH locked AS (
    SELECT id FROM deliveries WHERE notification_id = ANY(:ids) AND status = 'pending' ORDER BY id FOR UPDATE
)
UPDATE deliveries d
SET status = CASE WHEN possible_duplicate THEN 'unknown' WHEN NOT possible_duplicate THEN 'failed' END,
    reason = :reason, finished_at = now(), reopened_at = NULL
FROM locked WHERE d.id = locked.id
""").bindparams(bindparam("ids", type_=ARRAY(BigInteger)), bindparam("reason", type_=Text))


@dataclass(frozen=True)
class OpenNotification:
    notification_id: int
    workflow_id: str


async def close_company(connection: AsyncConnection, company_id: int, operator: str, why: str) -> None:
    """Makes sure that nothing new is sent to the company, and records who erases it and why. Needs a transaction."""
    await locks.lock(connection)
    for statement in _CLOSE:
        await connection.execute(statement, {"company_id": company_id})
    await connection.execute(_NOTE, {"operator": operator, "why": why, "company_id": company_id})


async def cancel_pending(
    connection: AsyncConnection, company_id: int, personal: Personal
) -> Sequence[OpenNotification]:
    """Ends what is pending to the company, tests to its addresses included. Returns the notifications that are open:
    one of their deliveries may be in flight, and their workflows do not know it yet. Needs a transaction."""
    rows = (await connection.execute(_FIND_OPEN, {"company_id": company_id, **columns_of(personal)})).mappings().all()
    ids = [row["notification_id"] for row in rows]
    await connection.execute(_CANCEL, {"ids": ids, "reason": Reason.CANCELLED.value})
    return [OpenNotification(**row) for row in rows]


def columns_of(personal: Personal) -> dict[str, list[str]]:
    """Returns the addresses as two arrays."""
    listed = sorted(personal.addresses)
    return {"channels": [channel for channel, _ in listed], "keys": [key for _, key in listed]}
