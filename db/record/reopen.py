"""Changes a delivery for an operator: confirms one in doubt, or reopens one to send it again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.keys import NotificationType
from contracts.sending import DeliveryStatus, Reason, is_in_doubt
from db.models import TIMESTAMPTZ
from db.record.rules import (
    ABOUT_AN_ITEM,
    DELIVERIES,
    RECIPIENT,
    SUPPRESSED,
    OpenedDelivery,
    always_delivered,
    opened_deliveries,
)


@dataclass(frozen=True)
class Subject:
    """The delivery that an operator named, with everything that decides what may be done. Its rows are locked."""

    delivery_id: int
    notification_id: int
    channel: str
    status: DeliveryStatus
    reason: str | None
    notification_type: NotificationType
    workflow_id: str
    company_id: int | None
    project_id: int | None
    ar_content_id: int | None
    company_slug: str | None
    project_slug: str | None
    content_slug: str | None
    days_left: int | None
    item_ends_at: datetime | None
    recipient: str | None
    """The current address."""
    suppressed: str | None
    """Why that address is suppressed; None: it is not."""
    deliveries: list[OpenedDelivery]
    """All deliveries of its notification."""
    text_is_gone: bool = False
    """It is about no item, so its text and recipient were its own, and they were removed."""
    company_is_erased: bool = False


_READ = text(f"""
SELECT d.id AS delivery_id, d.notification_id, d.channel, d.status, d.reason,
       n.notification_type, n.workflow_id, n.company_id, n.project_id, n.ar_content_id,
       c.slug AS company_slug, p.slug AS project_slug, a.slug AS content_slug,
       n.days_left, n.item_ends_at, recipient.address AS recipient, suppressed.reason AS suppressed,
       {DELIVERIES} AS deliveries, n.texts_removed_at IS NOT NULL AND NOT {ABOUT_AN_ITEM} AS text_is_gone,
       EXISTS (SELECT FROM companies WHERE id = n.company_id AND erased_at IS NOT NULL) AS company_is_erased
FROM deliveries d
JOIN notifications n ON n.id = d.notification_id
LEFT JOIN companies c ON c.id = n.company_id
LEFT JOIN projects p ON p.id = n.project_id
LEFT JOIN ar_contents a ON a.id = n.ar_content_id
{RECIPIENT}
{SUPPRESSED}
WHERE d.id = :delivery_id
FOR UPDATE OF d, n
""").bindparams(always_delivered(), bindparam("delivery_id", type_=BigInteger))  # noqa: S608 - made of constants


async def read(connection: AsyncConnection, delivery_id: int) -> Subject | None:
    """Reads the delivery and locks it until the transaction ends. None: there is no such delivery."""
    row = (await connection.execute(_READ, {"delivery_id": delivery_id})).mappings().one_or_none()
    if row is None:
        return None
    kinds = {
        "status": DeliveryStatus(row["status"]),
        "notification_type": NotificationType(row["notification_type"]),
        "deliveries": opened_deliveries(row["deliveries"]),
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
    """Settles a delivery in doubt as accepted, because an operator knows that the message arrived."""
    await connection.execute(_CONFIRM, {"delivery_id": subject.delivery_id, "reason": Reason.CONFIRMED})


# `started_at` is cleared, so that the next scan starts the workflow if the caller does not.
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
    """Reopens the delivery. If it was in doubt, the copy is marked as a possible duplicate."""
    await connection.execute(
        _REOPEN,
        {
            "delivery_id": subject.delivery_id,
            "in_doubt": is_in_doubt(subject.status),
            "give_up_at": give_up_at,
        },
    )
