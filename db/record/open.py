"""Opening notifications of items in bulk: what a scan warns of, and what was switched off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, Boolean, Integer, Text, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.keys import NotificationType
from contracts.sending import Reason
from db.items.rules import LEFT_UNSAID
from db.models import TIMESTAMPTZ


@dataclass(frozen=True)
class NewNotification:
    """A notification about to be opened. `threshold_days` and `days_left` are a warning's."""

    company_id: int
    project_id: int
    ar_content_id: int | None
    item_ends_at: datetime
    dedupe_key: str
    give_up_at: datetime
    threshold_days: int | None = None
    days_left: int | None = None


# A notice that was left unsaid has used its key, which is fixed: it is opened again, as an operator would have it. To
# the company that the item belongs to today.
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
    RETURNING id
), channels AS (
    INSERT INTO deliveries (notification_id, channel)
    SELECT opened.id, channel FROM opened CROSS JOIN unnest(ARRAY['email', 'telegram']) AS channel
), reopened AS (
    UPDATE notifications n
    SET status = 'open', company_id = new.company_id, project_id = new.project_id, days_left = new.days_left,
        scan_at = :scan_at, give_up_at = new.give_up_at, started_at = NULL, finished_at = NULL
    FROM new
    WHERE n.dedupe_key = new.dedupe_key AND n.status <> 'open'
      AND NOT EXISTS (SELECT FROM deliveries d WHERE d.notification_id = n.id AND NOT {left_unsaid})
    RETURNING n.id
), channels_reopened AS (
    UPDATE deliveries d SET status = 'pending', reason = NULL, reopened_at = now(), finished_at = NULL
    FROM reopened WHERE d.notification_id = reopened.id
)
SELECT (SELECT count(*) FROM opened) + (SELECT count(*) FROM reopened)
"""
_OPEN = text(_OPEN_STATEMENT.format(left_unsaid=LEFT_UNSAID)).bindparams(
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
    """Opens them with a pending delivery for each channel; what is open already stays. Returns how many it opened,
    those included that had been left unsaid and are opened again.

    `scan_at` is the nominal time of the scan that warns. One statement, however many.
    """
    columns = {column: [getattr(each, column) for each in new] for column in _COLUMNS}
    opened = await connection.scalar(
        _OPEN, {"notification_type": notification_type.value, "scan_at": scan_at, **columns}
    )
    return int(opened or 0)


@dataclass(frozen=True)
class AddressedNotification:
    """A notification with recipients and a text of its own: a test or an alert. No recipient: not asked for."""

    notification_type: NotificationType
    dedupe_key: str
    give_up_at: datetime
    email: str | None
    chat: str | None
    subject: str | None = None
    message: str | None = None
    html: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


_OPEN_ADDRESSED = text("""
WITH opened AS (
    INSERT INTO notifications (notification_type, subject, message, metadata, give_up_at, dedupe_key, workflow_id)
    VALUES (:notification_type, :subject, :message, :metadata, :give_up_at, :dedupe_key, :dedupe_key)
    RETURNING id
), channels AS (
    INSERT INTO deliveries (notification_id, channel, status, reason, finished_at)
    SELECT opened.id, wanted.channel,
           CASE WHEN wanted.requested THEN 'pending' ELSE 'skipped' END,
           CASE WHEN NOT wanted.requested THEN :not_requested END,
           CASE WHEN NOT wanted.requested THEN now() END
    FROM opened CROSS JOIN (VALUES ('email', :email), ('telegram', :telegram)) AS wanted (channel, requested)
)
SELECT id FROM opened
""").bindparams(
    bindparam("notification_type", type_=Text),
    bindparam("subject", type_=Text),
    bindparam("message", type_=Text),
    bindparam("metadata", type_=JSONB),
    bindparam("give_up_at", type_=TIMESTAMPTZ),
    bindparam("dedupe_key", type_=Text),
    bindparam("not_requested", type_=Text),
    bindparam("email", type_=Boolean),
    bindparam("telegram", type_=Boolean),
)


async def open_addressed(connection: AsyncConnection, new: AddressedNotification) -> int:
    """Opens it with a delivery for each channel and returns its id. One statement; the key refuses a second run."""
    metadata = {"email_recipient": new.email, "telegram_recipient": new.chat, "html": new.html, **new.metadata}
    opened = await connection.execute(
        _OPEN_ADDRESSED,
        {
            "notification_type": new.notification_type.value,
            "subject": new.subject,
            "message": new.message,
            "metadata": {name: value for name, value in metadata.items() if value is not None},
            "give_up_at": new.give_up_at,
            "dedupe_key": new.dedupe_key,
            "not_requested": Reason.NOT_REQUESTED,
            "email": new.email is not None,
            "telegram": new.chat is not None,
        },
    )
    return int(opened.scalar_one())


# The locks come first: a claim that is being made is waited for, and none can be made between the look and the
# deletion. Without them a notification could be sent whose row is gone.
_WITHDRAW = text("""
WITH held AS (
    SELECT claim_seq FROM deliveries WHERE notification_id = :notification_id ORDER BY id FOR UPDATE
)
DELETE FROM notifications
WHERE id = :notification_id AND status = 'open' AND NOT EXISTS (SELECT FROM held WHERE claim_seq > 0)
""").bindparams(bindparam("notification_id", type_=BigInteger))


async def withdraw(connection: AsyncConnection, notification_id: int) -> bool:
    """Deletes it, unless a workflow has begun with it: then False. Whatever starts later finds nothing to send."""
    result = await connection.execute(_WITHDRAW, {"notification_id": notification_id})
    return result.rowcount == 1
