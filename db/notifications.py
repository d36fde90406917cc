"""Notifications one by one and by the page, and the life of a test before its workflow runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Text, bindparam, column, func, select, table, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import NotificationStatus, NotificationType, Reason
from db.models import TIMESTAMPTZ, Company, Delivery, Notification, Project

_FLAT = table(
    "notifications_flat",
    column("id", BigInteger),
    column("notification_type", Text),
    column("status", Text),
    column("company_id", BigInteger),
    column("company_slug", Text),
    column("project_id", BigInteger),
    column("project_slug", Text),
    column("ar_content_id", BigInteger),
    column("ar_content_slug", Text),
    column("subject", Text),
    column("days_left"),
    column("item_ends_at", TIMESTAMPTZ),
    column("created_at", TIMESTAMPTZ),
    column("finished_at", TIMESTAMPTZ),
    column("workflow_id", Text),
    column("email_sent", Boolean),
    column("email_sent_at", TIMESTAMPTZ),
    column("email_error", Text),
    column("telegram_sent", Boolean),
    column("telegram_sent_at", TIMESTAMPTZ),
    column("telegram_error", Text),
)


@dataclass(frozen=True)
class NotificationFilter:
    """Which notifications; None: all. `company` and `project` are slugs."""

    notification_type: NotificationType | None = None
    status: NotificationStatus | None = None
    company: str | None = None
    project: str | None = None


async def list_flat(
    connection: AsyncConnection, wanted: NotificationFilter, limit: int, before_id: int | None = None
) -> Sequence[RowMapping]:
    """The newest `limit` notifications, those older than `before_id` where it is given. One statement."""
    # The page is chosen in the table: behind the view's joins the planner would walk through all that is newer.
    page = select(Notification.id).order_by(Notification.id.desc()).limit(limit)
    if before_id is not None:
        page = page.where(Notification.id < before_id)
    if wanted.notification_type is not None:
        page = page.where(Notification.notification_type == wanted.notification_type.value)
    if wanted.status is not None:
        page = page.where(Notification.status == wanted.status.value)
    if wanted.company is not None:
        company = select(Company.id).where(Company.slug == wanted.company)
        page = page.where(Notification.company_id == company.scalar_subquery())
    if wanted.project is not None:
        project = select(Project.id).where(Project.slug == wanted.project)
        page = page.where(Notification.project_id == project.scalar_subquery())
    statement = select(_FLAT).where(_FLAT.c.id.in_(page)).order_by(_FLAT.c.id.desc())
    return (await connection.execute(statement)).mappings().all()


async def read_flat(connection: AsyncConnection, notification_id: int) -> RowMapping | None:
    """One notification with its `deliveries`, a list of JSON objects. None if there is none. One statement."""
    shown = (
        select(
            Delivery.channel,
            Delivery.status,
            Delivery.reason,
            Delivery.attempts,
            Delivery.recipient,
            Delivery.subject,
            Delivery.body,
            Delivery.body_html,
            Delivery.provider_id,
            Delivery.provider_reply,
            Delivery.possible_duplicate,
            Delivery.claimed_at,
            Delivery.sending_at,
            Delivery.finished_at,
        )
        .where(Delivery.notification_id == notification_id)
        .order_by(Delivery.channel)
        .subquery("shown")
    )
    deliveries = select(func.jsonb_agg(shown.table_valued(), type_=JSONB())).scalar_subquery()
    statement = select(_FLAT, deliveries.label("deliveries")).where(_FLAT.c.id == notification_id)
    return (await connection.execute(statement)).mappings().one_or_none()


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
