"""`notifications` and `deliveries`: list the record, newest first."""

from __future__ import annotations

from commands.naming import require_named
from commands.output import print_page
from commands.running import OK, WrongArgument, database
from db.record.filters import DeliveryFilter, NotificationFilter
from db.record.list import exists_notification, list_deliveries, list_flat
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
DELIVERY_COLUMNS = {
    "id": "id",
    "notification": "notification_id",
    "company": "company_slug",
    "project": "project_slug",
    "AR content": "ar_content_slug",
    "channel": "channel",
    "status": "status",
    "reason": "reason",
    "attempts": "attempts",
    "recipient": "recipient",
    "reply": "provider_reply",
    "duplicate?": "possible_duplicate",
    "finished (UTC)": "finished_at",
}


_NOTIFICATION_FEW = ("id", "type", "status", "company", "project", "AR content")
DELIVERY_FEW = ("id", "notification", "company", "channel", "status", "reason")
"""What a terminal of 80 columns has room for."""


async def show_notifications(wanted: NotificationFilter, limit: int, *, wide: bool, as_json: bool) -> int:
    settings = Settings.load()
    async with database(settings) as engine, engine.connect() as connection:
        await require_named(connection, wanted)
        rows = await list_flat(connection, wanted, limit + 1)
    print_page(rows, limit, _NOTIFICATION_COLUMNS, as_json, few=_NOTIFICATION_FEW, wide=wide)
    return OK


async def show_deliveries(wanted: DeliveryFilter, limit: int, *, wide: bool, as_json: bool) -> int:
    settings = Settings.load()
    async with database(settings) as engine, engine.connect() as connection:
        await require_named(connection, wanted)
        if wanted.notification_id is not None and not await exists_notification(connection, wanted.notification_id):
            raise WrongArgument(f"there is no notification {wanted.notification_id}")
        rows = await list_deliveries(connection, wanted, limit + 1)
    print_page(rows, limit, DELIVERY_COLUMNS, as_json, few=DELIVERY_FEW, wide=wide)
    return OK
