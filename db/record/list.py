"""Lists notifications and deliveries, and reads one notification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Text, bindparam, column, exists, func, not_, or_, select, table, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.keys import NotificationType
from contracts.sending import DeliveryStatus, NotificationStatus
from db.models import Company, Delivery, Notification, Project
from db.record.rules import always_delivered
from db.record.said import NEEDLESS

# All columns of the view: the caller chooses which ones to show.
_FLAT = table("notifications_flat", column("id", BigInteger))
_ALL_COLUMNS = text("notifications_flat.*")


@dataclass(frozen=True)
class NotificationFilter:
    """Which notifications to list; None means all. `company` and `project` are slugs. `undelivered` leaves out those
    whose company did not have to be told any more, because that is not a failure: their item was renewed, or a tighter
    warning was sent."""

    notification_type: NotificationType | None = None
    status: NotificationStatus | None = None
    company: str | None = None
    project: str | None = None


async def list_flat(
    connection: AsyncConnection, wanted: NotificationFilter, limit: int, before_id: int | None = None
) -> Sequence[RowMapping]:
    """Returns the newest `limit` notifications, older than `before_id` if that is given. One statement."""
    # The page is chosen in the table: behind the view's joins the planner would read all newer rows.
    page = select(Notification.id).order_by(Notification.id.desc()).limit(limit)
    if before_id is not None:
        page = page.where(Notification.id < before_id)
    if wanted.notification_type is not None:
        page = page.where(Notification.notification_type == wanted.notification_type.value)
    if wanted.status is not None:
        page = page.where(Notification.status == wanted.status.value)
    if wanted.status is NotificationStatus.UNDELIVERED:
        of_it = Delivery.notification_id == Notification.id
        needless = exists().where(of_it, Delivery.reason.in_(NEEDLESS))
        refused = exists().where(of_it, Delivery.status.in_((DeliveryStatus.REJECTED, DeliveryStatus.FAILED)))
        page = page.where(or_(not_(needless), refused))
    if wanted.company is not None:
        company = select(Company.id).where(Company.slug == wanted.company)
        page = page.where(Notification.company_id == company.scalar_subquery())
    if wanted.project is not None:
        project = select(Project.id).where(Project.slug == wanted.project)
        page = page.where(Notification.project_id == project.scalar_subquery())
    statement = select(_ALL_COLUMNS).select_from(_FLAT).where(_FLAT.c.id.in_(page)).order_by(_FLAT.c.id.desc())
    rows: Sequence[RowMapping] = (await connection.execute(statement)).mappings().all()
    return rows


async def read_flat(connection: AsyncConnection, notification_id: int) -> RowMapping | None:
    """Returns a notification with its `deliveries`, a list of JSON objects. None if there is none. One statement."""
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
        .order_by(func.array_position(always_delivered(), Delivery.channel), Delivery.id)
        .subquery("shown")
    )
    deliveries = select(func.jsonb_agg(shown.table_valued(), type_=JSONB())).scalar_subquery()
    statement = select(_ALL_COLUMNS, deliveries.label("deliveries")).select_from(_FLAT)
    statement = statement.where(_FLAT.c.id == notification_id)
    row: RowMapping | None = (await connection.execute(statement)).mappings().one_or_none()
    return row


_UNKNOWN = text("""
SELECT NOT EXISTS (SELECT FROM companies WHERE slug = :company) AS company,
       NOT EXISTS (SELECT FROM projects WHERE slug = :project) AS project,
       NOT EXISTS (SELECT FROM notifications WHERE id = :notification_id) AS notification
""").bindparams(
    bindparam("company", type_=Text), bindparam("project", type_=Text), bindparam("notification_id", type_=BigInteger)
)


async def find_unknown(
    connection: AsyncConnection,
    company: str | None = None,
    project: str | None = None,
    notification_id: int | None = None,
) -> list[str]:
    """Returns what a filter names although it does not exist, such as `company 'acme'`."""
    named = {"company": company, "project": project, "notification_id": notification_id}
    unknown = (await connection.execute(_UNKNOWN, named)).one()
    return [
        f"{what} {value!r}"
        for what, value, missing in zip(("company", "project", "notification"), named.values(), unknown, strict=True)
        if value is not None and missing
    ]


_DELIVERIES = text("""
SELECT d.id, d.notification_id, n.notification_type, c.slug AS company_slug, p.slug AS project_slug, d.channel,
       d.status, d.reason, d.attempts, d.recipient, d.provider_id, d.provider_reply, d.possible_duplicate,
       d.created_at, d.sending_at, d.finished_at
FROM deliveries d
JOIN notifications n ON n.id = d.notification_id
LEFT JOIN companies c ON c.id = n.company_id
LEFT JOIN projects p ON p.id = n.project_id
WHERE (:status IS NULL OR d.status = :status)
  AND (:channel IS NULL OR d.channel = :channel)
  AND (:notification_id IS NULL OR d.notification_id = :notification_id)
ORDER BY d.id DESC
LIMIT :limit
""").bindparams(
    bindparam("status", type_=Text), bindparam("channel", type_=Text), bindparam("notification_id", type_=BigInteger)
)


async def list_deliveries(
    connection: AsyncConnection,
    limit: int,
    *,
    status: str | None = None,
    channel: str | None = None,
    notification_id: int | None = None,
) -> Sequence[RowMapping]:
    """Returns the newest deliveries that match all given filters."""
    parameters = {"status": status, "channel": channel, "notification_id": notification_id, "limit": limit}
    return (await connection.execute(_DELIVERIES, parameters)).mappings().all()
