"""Suppresses addresses after a provider's answer or when a recipient unsubscribes; an operator lifts a suppression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Text, bindparam, text
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.sending import Reason
from db.record.texts import kept_of, may_suppress

_SUPPRESS = text(f"""
INSERT INTO suppressions (channel, address, reason, provider_reply, notification_id)
SELECT d.channel, :address_key, :reason, {kept_of(":reply")}, d.notification_id
FROM deliveries d
WHERE d.id = :delivery_id AND :address_key IS NOT NULL AND {may_suppress(":address_key")}
ON CONFLICT (channel, address) DO NOTHING
""").bindparams(  # noqa: S608 - made of constants
    bindparam("address_key", type_=Text),
    bindparam("reason", type_=Text),
    bindparam("reply", type_=Text),
    bindparam("delivery_id", type_=BigInteger),
)


async def suppress(
    connection: AsyncConnection, delivery_id: int, address_key: str | None, reason: str, reply: str | None
) -> None:
    """Suppresses the delivery's address by its key. Does nothing without a key, or if the company was erased and no
    other has the address. May run twice: the first reason stays."""
    await connection.execute(
        _SUPPRESS, {"address_key": address_key, "reason": reason, "reply": reply, "delivery_id": delivery_id}
    )


# Once the recipient is removed, a link still works while the contact has the address that it was sent to.
_ADDRESSEE = text("""
SELECT known.recipient, c.name AS company, coalesce(c.locale, 'en') AS locale, s.reason AS suppressed
FROM deliveries d
JOIN notifications n ON n.id = d.notification_id
LEFT JOIN contacts contact ON contact.id = d.contact_id
CROSS JOIN LATERAL (SELECT coalesce(d.recipient, contact.address) AS recipient) known
LEFT JOIN companies c ON c.id = n.company_id
LEFT JOIN suppressions s ON s.channel = d.channel AND s.address = lower(known.recipient)
WHERE d.id = :delivery_id AND d.channel = :channel AND known.recipient IS NOT NULL
""").bindparams(bindparam("delivery_id", type_=BigInteger), bindparam("channel", type_=Text))


@dataclass(frozen=True)
class Addressee:
    """The recipient of a delivery."""

    recipient: str
    company: str | None
    locale: str
    suppressed: str | None
    """Why the address is suppressed; None: it is not."""


async def read_addressee(connection: AsyncConnection, delivery_id: int, channel: str) -> Addressee | None:
    """Returns the delivery's recipient. None: the channel has no such delivery, or it never had a recipient."""
    parameters = {"delivery_id": delivery_id, "channel": channel}
    row = (await connection.execute(_ADDRESSEE, parameters)).mappings().one_or_none()
    return None if row is None else Addressee(**row)


# Unsubscribing replaces a provider's reason: an operator may lift the latter without asking the recipient.
_UNSUBSCRIBE = text(f"""
INSERT INTO suppressions AS s (channel, address, reason, notification_id)
SELECT d.channel, lower(:recipient), :reason, d.notification_id
FROM deliveries d
WHERE d.id = :delivery_id AND {may_suppress("lower(:recipient)")}
ON CONFLICT (channel, address) DO UPDATE
SET reason = excluded.reason, provider_reply = NULL, notification_id = excluded.notification_id, created_at = now()
WHERE s.reason <> excluded.reason
""").bindparams(  # noqa: S608 - made of constants
    bindparam("recipient", type_=Text), bindparam("reason", type_=Text), bindparam("delivery_id", type_=BigInteger)
)


async def unsubscribe(connection: AsyncConnection, delivery_id: int, recipient: str) -> None:
    """Suppresses the recipient of this delivery because they unsubscribed. May run twice."""
    await connection.execute(
        _UNSUBSCRIBE,
        {"delivery_id": delivery_id, "recipient": recipient, "reason": Reason.UNSUBSCRIBED.value},
    )


_LIST = text("""
SELECT s.channel, s.address, s.reason, s.provider_reply, s.notification_id, s.created_at,
       ARRAY(
           SELECT c.slug FROM contacts contact JOIN companies c ON c.id = contact.company_id
           WHERE contact.channel = s.channel AND contact.address_key = s.address
           ORDER BY c.slug
       ) AS companies
FROM suppressions s
WHERE :channel IS NULL OR s.channel = :channel
ORDER BY s.created_at DESC, s.channel, s.address
LIMIT :limit
""").bindparams(bindparam("channel", type_=Text), bindparam("limit", type_=BigInteger))


async def list_suppressions(
    connection: AsyncConnection, limit: int, channel: str | None = None
) -> Sequence[RowMapping]:
    """Returns suppressions, newest first, each with the slugs of the companies that have the address now."""
    return (await connection.execute(_LIST, {"channel": channel, "limit": limit})).mappings().all()


_LIFT_REFUSAL = text("""
WITH lifted AS (
    DELETE FROM suppressions s USING deliveries d
    WHERE d.id = :delivery_id AND s.notification_id = d.notification_id AND s.channel = d.channel
      AND s.reason = d.reason AND s.address = lower(d.recipient)
    RETURNING s.channel, s.address, s.reason, s.created_at
)
INSERT INTO interventions (action, operator, why, channel, address, before)
SELECT 'unsuppress', :operator, :why, channel, address,
       jsonb_build_object('reason', reason, 'created_at', created_at)
FROM lifted
""").bindparams(
    bindparam("delivery_id", type_=BigInteger), bindparam("operator", type_=Text), bindparam("why", type_=Text)
)


async def lift_refusal(connection: AsyncConnection, delivery_id: int, operator: str, why: str) -> bool:
    """Lifts the suppression that this delivery's own refusal caused. Returns False if there is none. A suppression
    for another reason stays."""
    lifted = await connection.execute(_LIFT_REFUSAL, {"delivery_id": delivery_id, "operator": operator, "why": why})
    return lifted.rowcount == 1


_LIFT = text("""
WITH lifted AS (
    DELETE FROM suppressions WHERE channel = :channel AND address = :address_key
    RETURNING channel, address, reason, created_at
)
INSERT INTO interventions (action, operator, why, channel, address, before)
SELECT 'unsuppress', :operator, :why, channel, address,
       jsonb_build_object('reason', reason, 'created_at', created_at)
FROM lifted
""").bindparams(
    bindparam("channel", type_=Text),
    bindparam("address_key", type_=Text),
    bindparam("operator", type_=Text),
    bindparam("why", type_=Text),
)


async def lift(connection: AsyncConnection, channel: str, address_key: str, operator: str, why: str) -> bool:
    """Lifts the suppression of this key, and records who did it and why. Returns False if it was not suppressed."""
    lifted = await connection.execute(
        _LIFT, {"channel": channel, "address_key": address_key, "operator": operator, "why": why}
    )
    return lifted.rowcount == 1
