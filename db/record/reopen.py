"""What operators do to a delivery by hand: decide a doubt, send again. Each with who and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.keys import NotificationType
from contracts.queues import Channel
from contracts.sending import DeliveryStatus, Reason
from db.models import TIMESTAMPTZ


@dataclass(frozen=True)
class Subject:
    """The delivery that an operator means, with what decides about it. Its rows are locked."""

    delivery_id: int
    notification_id: int
    channel: Channel
    status: DeliveryStatus
    reason: str | None
    notification_type: NotificationType
    workflow_id: str
    company_id: int | None
    project_id: int | None
    ar_content_id: int | None
    days_left: int | None
    item_ends_at: datetime | None
    recipient: str | None
    """The address as it is today."""
    telegram_chat: str | None
    suppressed: str | None
    """Why that address is used no more."""


_READ = text("""
SELECT d.id AS delivery_id, d.notification_id, d.channel, d.status, d.reason,
       n.notification_type, n.workflow_id, n.company_id, n.project_id, n.ar_content_id,
       n.days_left, n.item_ends_at, recipient.address AS recipient,
       coalesce(n.metadata ->> 'telegram_recipient', c.telegram_chat_id::text) AS telegram_chat,
       (
           SELECT s.reason FROM suppressions s WHERE s.channel = d.channel AND s.address = lower(recipient.address)
       ) AS suppressed
FROM deliveries d
JOIN notifications n ON n.id = d.notification_id
LEFT JOIN companies c ON c.id = n.company_id
CROSS JOIN LATERAL (
    SELECT coalesce(n.metadata ->> (d.channel || '_recipient'),
                    CASE WHEN d.channel = 'email' THEN c.contact_email ELSE c.telegram_chat_id::text END) AS address
) recipient
WHERE d.id = :delivery_id
FOR UPDATE OF d, n
""").bindparams(bindparam("delivery_id", type_=BigInteger))


async def read(connection: AsyncConnection, delivery_id: int) -> Subject | None:
    """The delivery, locked until the transaction ends. None: there is no such delivery."""
    row = (await connection.execute(_READ, {"delivery_id": delivery_id})).mappings().one_or_none()
    if row is None:
        return None
    kinds = {
        "channel": Channel(row["channel"]),
        "status": DeliveryStatus(row["status"]),
        "notification_type": NotificationType(row["notification_type"]),
    }
    return Subject(**{**row, **kinds})


_CONFIRM = text("""
WITH confirmed AS (
    UPDATE deliveries SET status = 'accepted', reason = :reason WHERE id = :delivery_id
    RETURNING notification_id
)
UPDATE notifications n SET status = 'delivered'
FROM confirmed WHERE n.id = confirmed.notification_id AND n.status <> 'open'
""").bindparams(bindparam("delivery_id", type_=BigInteger), bindparam("reason", type_=Text))


async def confirm(connection: AsyncConnection, subject: Subject) -> None:
    """Takes a delivery in doubt for accepted: somebody has seen the message."""
    await connection.execute(_CONFIRM, {"delivery_id": subject.delivery_id, "reason": Reason.CONFIRMED})


# Without `started_at` the next scan starts the workflow, should the caller not come to it.
_REOPEN = text("""
WITH reopened AS (
    UPDATE deliveries
    SET status = 'pending', reopened_at = now(), finished_at = NULL,
        possible_duplicate = possible_duplicate OR :in_doubt
    WHERE id = :delivery_id
    RETURNING notification_id
)
UPDATE notifications n SET status = 'open', started_at = NULL, finished_at = NULL, give_up_at = :give_up_at
FROM reopened WHERE n.id = reopened.notification_id
""").bindparams(
    bindparam("delivery_id", type_=BigInteger),
    bindparam("in_doubt", type_=Boolean),
    bindparam("give_up_at", type_=TIMESTAMPTZ),
)


async def reopen(connection: AsyncConnection, subject: Subject, give_up_at: datetime) -> None:
    """Lets the delivery be sent again; after a doubt the copy is marked as a possible duplicate."""
    await connection.execute(
        _REOPEN,
        {
            "delivery_id": subject.delivery_id,
            "in_doubt": subject.status is DeliveryStatus.UNKNOWN,
            "give_up_at": give_up_at,
        },
    )
