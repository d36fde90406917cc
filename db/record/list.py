"""Lists notifications and deliveries, and reads one notification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Select, bindparam, column, func, select, table, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from db.models import ArContent, Company, Delivery, Notification, Project
from db.record.filters import DeliveryFilter, NotificationFilter, of_deliveries, of_notifications
from db.record.rules import always_delivered

# All columns of the view: the caller chooses which ones to show.
_FLAT = table("notifications_flat", column("id", BigInteger))
_ALL_COLUMNS = text("notifications_flat.*")


async def list_flat(
    connection: AsyncConnection, wanted: NotificationFilter, limit: int, before_id: int | None = None
) -> Sequence[RowMapping]:
    """Returns the newest `limit` notifications, older than `before_id` if that is given. One statement."""
    # The page is chosen in the table: behind the view's joins the planner would read all newer rows.
    page = select(Notification.id).order_by(Notification.id.desc()).limit(limit)
    if before_id is not None:
        page = page.where(Notification.id < before_id)
    page = page.where(*of_notifications(wanted))
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
            func.encode(Delivery.text_sha256, "hex").label("text_sha256"),
            func.encode(Delivery.html_sha256, "hex").label("html_sha256"),
        )
        .where(Delivery.notification_id == notification_id)
        .order_by(func.array_position(always_delivered(), Delivery.channel), Delivery.id)
        .subquery("shown")
    )
    deliveries = select(func.jsonb_agg(shown.table_valued(), type_=JSONB())).scalar_subquery()
    removed = select(Notification.texts_removed_at).where(Notification.id == notification_id).scalar_subquery()
    statement = select(_ALL_COLUMNS, removed.label("texts_removed_at"), deliveries.label("deliveries"))
    statement = statement.select_from(_FLAT).where(_FLAT.c.id == notification_id)
    row: RowMapping | None = (await connection.execute(statement)).mappings().one_or_none()
    return row


_SHOWN = (
    Delivery.id,
    Delivery.notification_id,
    Notification.notification_type,
    Company.slug.label("company_slug"),
    Project.slug.label("project_slug"),
    ArContent.slug.label("ar_content_slug"),
    Delivery.channel,
    Delivery.status,
    Delivery.reason,
    Delivery.attempts,
    Delivery.recipient,
    Delivery.provider_id,
    Delivery.provider_reply,
    Delivery.possible_duplicate,
    Delivery.created_at,
    Delivery.sending_at,
    Delivery.finished_at,
)


async def list_deliveries(
    connection: AsyncConnection, wanted: DeliveryFilter, limit: int, before_id: int | None = None
) -> Sequence[RowMapping]:
    """Returns the newest `limit` deliveries, older than `before_id` if that is given. One statement."""
    page = deliveries_of(wanted).order_by(Delivery.id.desc()).limit(limit)
    if before_id is not None:
        page = page.where(Delivery.id < before_id)
    statement = (
        select(*_SHOWN)
        .join(Notification, Notification.id == Delivery.notification_id)
        .outerjoin(Company, Company.id == Notification.company_id)
        .outerjoin(Project, Project.id == Notification.project_id)
        .outerjoin(ArContent, ArContent.id == Notification.ar_content_id)
        .where(Delivery.id.in_(page))
        .order_by(Delivery.id.desc())
    )
    rows: Sequence[RowMapping] = (await connection.execute(statement)).mappings().all()
    return rows


async def find_ids(connection: AsyncConnection, wanted: DeliveryFilter) -> list[int]:
    """Returns the ids of all deliveries that match, the oldest first."""
    return [row.id for row in await connection.execute(deliveries_of(wanted).order_by(Delivery.id))]


async def count_by_reason(connection: AsyncConnection, wanted: DeliveryFilter) -> Sequence[RowMapping]:
    """Counts the deliveries that match, by `channel`, `status` and `reason`, the most frequent first."""
    columns = (Delivery.channel, Delivery.status, Delivery.reason)
    number = func.count().label("deliveries")
    statement = select(*columns, number).where(Delivery.id.in_(deliveries_of(wanted))).group_by(*columns)
    statement = statement.order_by(number.desc(), *columns)
    rows: Sequence[RowMapping] = (await connection.execute(statement)).mappings().all()
    return rows


def deliveries_of(wanted: DeliveryFilter) -> Select[Any]:
    """Returns a query of the ids of the deliveries that match."""
    ids = select(Delivery.id)
    if wanted.company or wanted.project or wanted.content:
        ids = ids.join(Notification, Notification.id == Delivery.notification_id)
    return ids.where(*of_deliveries(wanted))


_EXISTS = text("SELECT EXISTS (SELECT FROM notifications WHERE id = :id)").bindparams(bindparam("id", type_=BigInteger))


async def exists_notification(connection: AsyncConnection, notification_id: int) -> bool:
    return bool(await connection.scalar(_EXISTS, {"id": notification_id}))
