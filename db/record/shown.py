"""Reads all that the record holds of one notification, for a person who wants to know what happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, bindparam, text
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from db.record.rules import IN_ORDER, RECIPIENT, always_delivered


@dataclass(frozen=True)
class ShownRecord:
    """A notification with what belongs to it. `deliveries` may be empty only if the notification was withdrawn."""

    notification: RowMapping
    deliveries: Sequence[RowMapping]
    interventions: Sequence[RowMapping]
    """What operators did by hand to its deliveries, in order."""


_NOTIFICATION = text("""
SELECT n.id, n.notification_type, n.status, n.subject, n.days_left, n.threshold_days, n.item_ends_at, n.give_up_at,
       n.scan_at, n.created_at, n.started_at, n.recovered_at, n.finished_at, n.workflow_id, n.texts_removed_at,
       n.company_id, c.slug AS company_slug, c.name AS company_name, c.timezone,
       p.slug AS project_slug, p.name AS project_name, a.slug AS content_slug, a.title AS content_title
FROM notifications n
LEFT JOIN companies c ON c.id = n.company_id
LEFT JOIN projects p ON p.id = n.project_id
LEFT JOIN ar_contents a ON a.id = n.ar_content_id
WHERE n.id = :notification_id
""").bindparams(bindparam("notification_id", type_=BigInteger))

# Once the recipient is removed, the contact's address may be another one.
_DELIVERIES = text(f"""
SELECT d.id, d.channel, d.status, d.reason, d.attempts,
       coalesce(d.recipient, CASE WHEN n.texts_removed_at IS NULL THEN recipient.address END) AS recipient,
       contact.label, d.subject, d.body, d.body_html, d.provider_id, d.provider_reply, d.possible_duplicate,
       d.earlier_attempts,
       d.created_at, d.claimed_at, d.sending_at, d.reopened_at, d.finished_at,
       encode(d.text_sha256, 'hex') AS text_sha256, encode(d.html_sha256, 'hex') AS html_sha256
FROM deliveries d
JOIN notifications n ON n.id = d.notification_id
{RECIPIENT}
WHERE d.notification_id = :notification_id
ORDER BY {IN_ORDER}
""").bindparams(always_delivered(), bindparam("notification_id", type_=BigInteger))  # noqa: S608 - made of constants

_INTERVENTIONS = text("""
SELECT i.created_at, i.action, i.operator, i.why, d.channel
FROM interventions i
JOIN deliveries d ON d.id = i.delivery_id
WHERE d.notification_id = :notification_id
ORDER BY i.id
""").bindparams(bindparam("notification_id", type_=BigInteger))


async def read_shown(connection: AsyncConnection, notification_id: int) -> ShownRecord | None:
    """Returns a notification's record. None: there is no such notification. Reads only."""
    named = {"notification_id": notification_id}
    notification = (await connection.execute(_NOTIFICATION, named)).mappings().one_or_none()
    if notification is None:
        return None
    deliveries = (await connection.execute(_DELIVERIES, named)).mappings().all()
    interventions = (await connection.execute(_INTERVENTIONS, named)).mappings().all()
    return ShownRecord(notification, deliveries, interventions)
