"""The commands that show the record."""

from __future__ import annotations

from typing import Annotated

import typer

from commands import records
from commands.cli.options import MAX_ID, Json, Limit, OneChannel, Wide
from commands.running import run
from contracts.keys import NotificationType
from contracts.sending import DeliveryStatus, NotificationStatus
from db.record.list import NotificationFilter

app = typer.Typer()


@app.command()
def notifications(
    notification_type: Annotated[NotificationType | None, typer.Option("--type")] = None,
    status: Annotated[NotificationStatus | None, typer.Option()] = None,
    company: Annotated[str | None, typer.Option(metavar="SLUG")] = None,
    project: Annotated[str | None, typer.Option(metavar="SLUG")] = None,
    limit: Limit = 50,
    wide: Wide = False,
    as_json: Json = False,
) -> None:
    """List notifications with their outcome."""
    wanted = NotificationFilter(notification_type, status, company, project)
    run(records.show_notifications(wanted, limit, wide=wide, as_json=as_json))


@app.command()
def deliveries(
    status: Annotated[DeliveryStatus | None, typer.Option()] = None,
    channel: Annotated[str | None, OneChannel] = None,
    notification_id: Annotated[int | None, typer.Option("--notification", metavar="ID", min=1, max=MAX_ID)] = None,
    limit: Limit = 50,
    wide: Wide = False,
    as_json: Json = False,
) -> None:
    """List deliveries with their outcome and the provider's answer."""
    run(
        records.show_deliveries(
            status=status,
            channel=channel,
            notification_id=notification_id,
            limit=limit,
            wide=wide,
            as_json=as_json,
        )
    )
