"""`notifications`, `deliveries` and `interventions`: list the record, newest first."""

from __future__ import annotations

from dataclasses import replace

from commands.naming import named, require_named
from commands.output import print_page
from commands.running import OK, WrongArgument, database
from db.operators.interventions import InterventionFilter, list_interventions
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
_INTERVENTION_COLUMNS = {
    "when (UTC)": "created_at",
    "who": "operator",
    "what": "action",
    "why": "why",
    "delivery": "delivery_id",
    "notification": "notification_id",
    "company": "company_slug",
    "project": "project_slug",
    "AR content": "ar_content_slug",
    "channel": "channel",
    "address": "address",
}
_INTERVENTION_FEW = ("when (UTC)", "who", "what", "why", "company", "delivery")
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


async def show_interventions(
    wanted: InterventionFilter,
    company: str | None,
    project: str | None,
    limit: int,
    *,
    wide: bool,
    as_json: bool,
) -> int:
    settings = Settings.load()
    async with database(settings) as engine, engine.connect() as connection:
        of_company = None if company is None else (await named(connection, "company", company)).id
        of_project = None if project is None else (await named(connection, "project", project)).id
        wanted = replace(wanted, company_id=of_company, project_id=of_project)
        rows = await list_interventions(connection, wanted, limit + 1)
    print_page(rows, limit, _INTERVENTION_COLUMNS, as_json, few=_INTERVENTION_FEW, wide=wide)
    return OK
