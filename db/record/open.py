"""Opens notifications: in bulk for items, and singly for tests and alerts. Withdraws one that was not started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, Boolean, Integer, Text, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.keys import NotificationType
from contracts.sending import ALWAYS_DELIVERED, Reason
from db.models import TIMESTAMPTZ
from db.record.rules import WANTED, OpenedDelivery, always_delivered
from db.record.said import ENDED_BY_ITEM, TRIED_AGAIN, UNSAID


@dataclass(frozen=True)
class NewNotification:
    """A notification to open. Only an `expiring` one has `threshold_days` and `days_left`."""

    company_id: int
    project_id: int
    ar_content_id: int | None
    item_ends_at: datetime
    dedupe_key: str
    give_up_at: datetime
    threshold_days: int | None = None
    days_left: int | None = None


# A notification that told nobody because of its item's state has used its key, which is fixed. So it is reopened, for
# the company that owns the item today. Its deliveries are reused: those to contacts that the company still has stay as
# they are, the others go in order to contacts of their channel without a delivery. Missing deliveries are opened. What
# an operator has ended stays ended. A delivery that no contact takes over must not open the notification again in every
# scan: it has no address from now on.
_OPEN_STATEMENT = """
WITH new AS (
    SELECT *
    FROM unnest(:company_id, :project_id, :ar_content_id, :item_ends_at, :threshold_days, :days_left, :give_up_at,
                :dedupe_key)
         AS new (company_id, project_id, ar_content_id, item_ends_at, threshold_days, days_left, give_up_at,
                 dedupe_key)
), opened AS (
    INSERT INTO notifications (notification_type, company_id, project_id, ar_content_id, item_ends_at, threshold_days,
                               days_left, scan_at, give_up_at, dedupe_key, workflow_id)
    SELECT :notification_type, company_id, project_id, ar_content_id, item_ends_at, threshold_days,
           days_left, :scan_at, give_up_at, dedupe_key, dedupe_key
    FROM new
    ON CONFLICT (dedupe_key) DO NOTHING
    RETURNING id, company_id
), reopened AS (
    UPDATE notifications n
    SET status = 'open', company_id = new.company_id, project_id = new.project_id, days_left = new.days_left,
        item_ends_at = new.item_ends_at, scan_at = :scan_at, give_up_at = new.give_up_at, started_at = NULL,
        finished_at = NULL
    FROM new
    WHERE n.dedupe_key = new.dedupe_key AND n.status <> 'open' AND {unsaid}
    RETURNING n.id, n.company_id
), wanted AS (
    SELECT n.id AS notification_id, wanted.channel, wanted.contact_id
    FROM reopened n CROSS JOIN LATERAL {wanted} wanted
), ended AS (
    SELECT d.id, d.notification_id, d.channel, d.contact_id, {tried_again} AS again
    FROM reopened n JOIN deliveries d ON d.notification_id = n.id
), kept AS (
    SELECT ended.id, notification_id, channel, wanted.contact_id
    FROM ended JOIN wanted USING (notification_id, channel)
    WHERE ended.again AND ended.contact_id IS NOT DISTINCT FROM wanted.contact_id
), without_delivery AS (
    SELECT *, row_number() OVER (PARTITION BY notification_id, channel ORDER BY contact_id) AS turn
    FROM (SELECT * FROM wanted EXCEPT SELECT notification_id, channel, contact_id FROM ended) AS rest
), without_contact AS (
    SELECT id, notification_id, channel, row_number() OVER (PARTITION BY notification_id, channel ORDER BY id) AS turn
    FROM ended
    WHERE again AND id NOT IN (SELECT id FROM kept)
), taken_over AS (
    SELECT id, notification_id, channel, without_delivery.contact_id
    FROM without_contact JOIN without_delivery USING (notification_id, channel, turn)
), deliveries_reopened AS (
    UPDATE deliveries d
    SET status = 'pending', reason = NULL, reopened_at = now(), finished_at = NULL, contact_id = again.contact_id
    FROM (SELECT * FROM kept UNION ALL SELECT * FROM taken_over) AS again
    WHERE d.id = again.id
), deliveries_left AS (
    UPDATE deliveries d SET reason = :no_address
    WHERE d.id IN (SELECT id FROM without_contact EXCEPT SELECT id FROM taken_over) AND {ended_by_item}
), missing AS (
    SELECT n.id AS notification_id, wanted.channel, wanted.contact_id
    FROM opened n CROSS JOIN LATERAL {wanted} wanted
  UNION ALL
    (SELECT notification_id, channel, contact_id FROM without_delivery
     EXCEPT SELECT notification_id, channel, contact_id FROM taken_over)
), deliveries_opened AS (
    INSERT INTO deliveries (notification_id, channel, contact_id)
    SELECT d.notification_id, d.channel, d.contact_id
    FROM missing d
    ORDER BY d.notification_id, array_position(:always_delivered, d.channel), d.contact_id
)
SELECT (SELECT count(*) FROM opened) + (SELECT count(*) FROM reopened)
"""
_OPEN = text(
    _OPEN_STATEMENT.format(unsaid=UNSAID, ended_by_item=ENDED_BY_ITEM, tried_again=TRIED_AGAIN, wanted=WANTED)
).bindparams(
    always_delivered(),
    bindparam("no_address", Reason.NO_ADDRESS.value, type_=Text),
    bindparam("notification_type", type_=Text),
    bindparam("scan_at", type_=TIMESTAMPTZ),
    bindparam("company_id", type_=ARRAY(BigInteger)),
    bindparam("project_id", type_=ARRAY(BigInteger)),
    bindparam("ar_content_id", type_=ARRAY(BigInteger)),
    bindparam("item_ends_at", type_=ARRAY(TIMESTAMPTZ)),
    bindparam("threshold_days", type_=ARRAY(Integer)),
    bindparam("days_left", type_=ARRAY(Integer)),
    bindparam("give_up_at", type_=ARRAY(TIMESTAMPTZ)),
    bindparam("dedupe_key", type_=ARRAY(Text)),
)
_COLUMNS = tuple(NewNotification.__dataclass_fields__)


async def open_notifications(
    connection: AsyncConnection,
    notification_type: NotificationType,
    new: Sequence[NewNotification],
    scan_at: datetime | None = None,
) -> int:
    """Opens notifications with the company's deliveries, all pending. Keeps those that are already open. Returns how
    many it opened or reopened.

    `scan_at` is the nominal time of the scan. One statement. May run twice.
    """
    columns = {column: [getattr(each, column) for each in new] for column in _COLUMNS}
    opened = await connection.scalar(
        _OPEN, {"notification_type": notification_type.value, "scan_at": scan_at, **columns}
    )
    return int(opened or 0)


@dataclass(frozen=True)
class AddressedNotification:
    """A notification with recipients and a text of its own: a test or an alert."""

    notification_type: NotificationType
    dedupe_key: str
    give_up_at: datetime
    recipients: Mapping[str, str]
    """An address for each requested channel."""
    recipient_keys: Mapping[str, str] = field(default_factory=dict)
    """The normalised addresses, by channel; without one it is the address in lower case."""
    subject: str | None = None
    message: str | None = None
    html: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OpenedNotification:
    """A notification that was opened, and its deliveries to send."""

    notification_id: int
    deliveries: list[OpenedDelivery]


_OPEN_ADDRESSED = text("""
WITH opened AS (
    INSERT INTO notifications (notification_type, subject, message, metadata, give_up_at, dedupe_key, workflow_id)
    VALUES (:notification_type, :subject, :message, :metadata, :give_up_at, :dedupe_key, :dedupe_key)
    RETURNING id
)
INSERT INTO deliveries (notification_id, channel, status, reason, finished_at)
SELECT opened.id, wanted.channel,
       CASE WHEN wanted.requested THEN 'pending' ELSE 'skipped' END,
       CASE WHEN NOT wanted.requested THEN :not_requested END,
       CASE WHEN NOT wanted.requested THEN now() END
FROM opened CROSS JOIN unnest(:channels, :requested) WITH ORDINALITY AS wanted (channel, requested, place)
ORDER BY wanted.place
RETURNING notification_id, id AS delivery_id, channel
""").bindparams(
    bindparam("notification_type", type_=Text),
    bindparam("subject", type_=Text),
    bindparam("message", type_=Text),
    bindparam("metadata", type_=JSONB),
    bindparam("give_up_at", type_=TIMESTAMPTZ),
    bindparam("dedupe_key", type_=Text),
    bindparam("not_requested", type_=Text),
    bindparam("channels", type_=ARRAY(Text)),
    bindparam("requested", type_=ARRAY(Boolean)),
)


def own_recipient(channel: str, address: str, key: str | None) -> dict[str, str]:
    """Returns the part of a notification's metadata for a recipient of its own.

    The key is left out if SQL can derive it by `lower`, which may know only ASCII letters.
    """
    said = {f"{channel}_recipient": address}
    if key is not None and (key != address.lower() or not address.isascii()):
        said[f"{channel}_recipient_key"] = key
    return said


async def open_addressed(connection: AsyncConnection, new: AddressedNotification) -> OpenedNotification:
    """Opens a notification with a delivery on each channel of ALWAYS_DELIVERED and on each other requested channel. One
    statement. Raises `IntegrityError` if it runs twice."""
    channels = [*ALWAYS_DELIVERED, *(channel for channel in new.recipients if channel not in ALWAYS_DELIVERED)]
    metadata = dict(new.metadata)
    for channel, address in new.recipients.items():
        metadata |= own_recipient(channel, address, new.recipient_keys.get(channel))
    if new.html is not None:
        metadata["html"] = new.html
    opened = (
        await connection.execute(
            _OPEN_ADDRESSED,
            {
                "notification_type": new.notification_type.value,
                "subject": new.subject,
                "message": new.message,
                "metadata": metadata,
                "give_up_at": new.give_up_at,
                "dedupe_key": new.dedupe_key,
                "not_requested": Reason.NOT_REQUESTED,
                "channels": channels,
                "requested": [channel in new.recipients for channel in channels],
            },
        )
    ).all()
    to_be_sent = [
        OpenedDelivery(delivery_id=row.delivery_id, channel=row.channel, address=new.recipients[row.channel])
        for row in opened
        if row.channel in new.recipients
    ]
    return OpenedNotification(opened[0].notification_id, to_be_sent)


# The locks come first: they wait for a running claim and prevent another one before the deletion. Without them a
# notification could be sent after its row was deleted.
_WITHDRAW = text("""
WITH locked AS (
    SELECT claim_seq FROM deliveries WHERE notification_id = :notification_id ORDER BY id FOR UPDATE
)
DELETE FROM notifications
WHERE id = :notification_id AND status = 'open' AND started_at IS NULL
  AND NOT EXISTS (SELECT FROM locked WHERE claim_seq > 0)
""").bindparams(bindparam("notification_id", type_=BigInteger))


async def withdraw(connection: AsyncConnection, notification_id: int) -> bool:
    """Deletes a notification. Returns False if its workflow is known to have started, or an attempt has claimed one of
    its deliveries. A workflow that starts later finds nothing to send."""
    result = await connection.execute(_WITHDRAW, {"notification_id": notification_id})
    return result.rowcount == 1
