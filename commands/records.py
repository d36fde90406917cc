"""`notifications` and `deliveries`: list the record, newest first."""

from __future__ import annotations

from commands.output import print_page
from commands.running import OK, complain, database
from contracts.sending import DeliveryStatus
from db.record.list import NotificationFilter, find_unknown, list_deliveries, list_flat
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


_NOTIFICATION_FEW = ("id", "type", "status", "company", "project", "AR content")
_DELIVERY_FEW = ("id", "notification", "company", "channel", "status", "reason")
"""What a terminal of 80 columns has room for."""


async def show_notifications(wanted: NotificationFilter, limit: int, *, wide: bool, as_json: bool) -> int:
    settings = Settings.load()
    async with database(settings) as engine, engine.connect() as connection:
        rows = await list_flat(connection, wanted, limit + 1)
        unknown = [] if rows else await find_unknown(connection, wanted.company, wanted.project)
    _tell_of(unknown)
    print_page(rows, limit, _NOTIFICATION_COLUMNS, as_json, few=_NOTIFICATION_FEW, wide=wide)
    return OK


async def show_deliveries(
    *,
    status: DeliveryStatus | None,
    channel: str | None,
    notification_id: int | None,
    limit: int,
    wide: bool,
    as_json: bool,
) -> int:
    settings = Settings.load()
    async with database(settings) as engine, engine.connect() as connection:
        rows = await list_deliveries(
            connection, limit + 1, status=status, channel=channel, notification_id=notification_id
        )
        unknown = [] if rows else await find_unknown(connection, notification_id=notification_id)
    _tell_of(unknown)
    print_page(rows, limit, _DELIVERY_COLUMNS, as_json, few=_DELIVERY_FEW, wide=wide)
    return OK


def _tell_of(unknown: list[str]) -> None:
    for each in unknown:
        complain(f"There is no {each}.")
