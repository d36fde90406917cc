"""`notifications` and `deliveries`: the record, newest first."""

from __future__ import annotations

from commands.output import print_page
from commands.running import OK, database
from contracts.sending import DeliveryStatus
from db.record.list import NotificationFilter, list_deliveries, list_flat
from settings import Settings

_NOTIFICATION_COLUMNS = {
    "id": "id",
    "type": "notification_type",
    "status": "status",
    "subject": "subject",
    "company": "company_slug",
    "project": "project_slug",
    "AR content": "ar_content_slug",
    "ends at (UTC)": "item_ends_at",
    "days left": "days_left",
    "e-mail sent (UTC)": "email_sent_at",
    "e-mail error": "email_error",
    "telegram sent (UTC)": "telegram_sent_at",
    "telegram error": "telegram_error",
    "created (UTC)": "created_at",
}
_DELIVERY_COLUMNS = {
    "id": "id",
    "notification": "notification_id",
    "company": "company_slug",
    "project": "project_slug",
    "channel": "channel",
    "status": "status",
    "reason": "reason",
    "attempts": "attempts",
    "recipient": "recipient",
    "reply": "provider_reply",
    "duplicate?": "possible_duplicate",
    "finished (UTC)": "finished_at",
}


async def show_notifications(wanted: NotificationFilter, limit: int, *, as_json: bool) -> int:
    settings = Settings.load()
    async with database(settings) as engine, engine.connect() as connection:
        rows = await list_flat(connection, wanted, limit + 1)
    print_page(rows, limit, _NOTIFICATION_COLUMNS, as_json)
    return OK


async def show_deliveries(
    *,
    status: DeliveryStatus | None,
    channel: str | None,
    notification_id: int | None,
    limit: int,
    as_json: bool,
) -> int:
    settings = Settings.load()
    async with database(settings) as engine, engine.connect() as connection:
        rows = await list_deliveries(
            connection, limit + 1, status=status, channel=channel, notification_id=notification_id
        )
    print_page(rows, limit, _DELIVERY_COLUMNS, as_json)
    return OK
