"""Addresses and chats that are used no more: put there by a provider's answer, taken off by an operator."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BigInteger, Text, bindparam, text
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import Channel
from db.deliveries import Claim

_SUPPRESS = text("""
INSERT INTO suppressions (channel, address, reason, provider_reply, notification_id)
SELECT d.channel, lower(:address), :reason, :reply, d.notification_id FROM deliveries d WHERE d.id = :delivery_id
ON CONFLICT (channel, address) DO NOTHING
""").bindparams(
    bindparam("address", type_=Text),
    bindparam("reason", type_=Text),
    bindparam("reply", type_=Text),
    bindparam("delivery_id", type_=BigInteger),
)


async def suppress(connection: AsyncConnection, claim: Claim, reason: str, reply: str | None) -> None:
    """Uses the claim's recipient no more. May run twice: the first reason stays."""
    await connection.execute(
        _SUPPRESS,
        {"address": claim.recipient, "reason": reason, "reply": reply, "delivery_id": claim.delivery_id},
    )


_LIST = text("""
SELECT s.channel, s.address, s.reason, s.provider_reply, s.notification_id, s.created_at,
       ARRAY(
           SELECT c.slug FROM companies c
           WHERE s.address = CASE WHEN s.channel = 'email' THEN lower(c.contact_email)
                                  ELSE c.telegram_chat_id::text END
           ORDER BY c.slug
       ) AS companies
FROM suppressions s
WHERE :channel IS NULL OR s.channel = :channel
ORDER BY s.created_at DESC, s.channel, s.address
LIMIT :limit
""").bindparams(bindparam("channel", type_=Text), bindparam("limit", type_=BigInteger))


async def list_suppressions(
    connection: AsyncConnection, limit: int, channel: Channel | None = None
) -> Sequence[RowMapping]:
    """The newest first, each with the slugs of the companies it concerns today."""
    return (await connection.execute(_LIST, {"channel": channel, "limit": limit})).mappings().all()


_LIFT = text("""
WITH lifted AS (
    DELETE FROM suppressions WHERE channel = :channel AND address = lower(:address)
    RETURNING channel, address, reason, created_at
)
INSERT INTO interventions (action, operator, why, channel, address, before)
SELECT 'unsuppress', :operator, :why, channel, address,
       jsonb_build_object('reason', reason, 'created_at', created_at)
FROM lifted
""").bindparams(
    bindparam("channel", type_=Text),
    bindparam("address", type_=Text),
    bindparam("operator", type_=Text),
    bindparam("why", type_=Text),
)


async def lift(connection: AsyncConnection, channel: Channel, address: str, operator: str, why: str) -> bool:
    """Uses the address again, and records who wanted it and why. False: it was not suppressed."""
    lifted = await connection.execute(
        _LIFT, {"channel": channel.value, "address": address, "operator": operator, "why": why}
    )
    return lifted.rowcount == 1
