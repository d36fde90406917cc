"""The commands that show the record."""

from __future__ import annotations

from typing import Annotated

import typer

from commands import records
from commands.cli.options import (
    MAX_ID,
    Json,
    Limit,
    OfCompany,
    OfContent,
    OfProject,
    OnChannel,
    Since,
    ToRecipient,
    Until,
    Wide,
    WithReason,
    recipients,
)
from commands.running import run
from contracts.keys import NotificationType
from contracts.sending import DeliveryStatus, NotificationStatus
from db.operators.interventions import InterventionFilter
from db.record.filters import DeliveryFilter, NotificationFilter

app = typer.Typer()


@app.command()
def notifications(
    notification_type: Annotated[NotificationType | None, typer.Option("--type")] = None,
    status: Annotated[NotificationStatus | None, typer.Option()] = None,
    company: OfCompany = None,
    project: OfProject = None,
    content: OfContent = None,
    recipient: ToRecipient = None,
    channel: OnChannel = None,
    reason: WithReason = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    wide: Wide = False,
    as_json: Json = False,
) -> None:
    """List notifications with their outcome.

    --since and --until refer to the time at which they were opened. --recipient, --channel and --reason find those
    with such a delivery.
    """
    wanted = NotificationFilter(
        notification_type=notification_type,
        status=status,
        company=company,
        project=project,
        content=content,
        recipients=recipients(recipient, channel),
        channel=channel,
        reason=reason,
        since=since,
        until=until,
    )
    run(records.show_notifications(wanted, limit, wide=wide, as_json=as_json))


@app.command()
def deliveries(
    status: Annotated[DeliveryStatus | None, typer.Option()] = None,
    channel: OnChannel = None,
    reason: WithReason = None,
    recipient: ToRecipient = None,
    company: OfCompany = None,
    project: OfProject = None,
    content: OfContent = None,
    notification_id: Annotated[int | None, typer.Option("--notification", metavar="ID", min=1, max=MAX_ID)] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    wide: Wide = False,
    as_json: Json = False,
) -> None:
    """List deliveries with their outcome and the provider's answer.

    --since and --until refer to the time at which they ended or, if they have not ended, were opened. A delivery has a
    recipient from its first attempt on.
    """
    wanted = DeliveryFilter(
        status=status,
        channel=channel,
        reason=reason,
        recipients=recipients(recipient, channel),
        company=company,
        project=project,
        content=content,
        notification_id=notification_id,
        since=since,
        until=until,
    )
    run(records.show_deliveries(wanted, limit, wide=wide, as_json=as_json))


@app.command("interventions")
def list_interventions(
    operator: Annotated[
        str | None, typer.Option("--by", metavar="WHO", help="Only of this operator, such as anna or api:billing.")
    ] = None,
    action: Annotated[str | None, typer.Option(metavar="WHAT", help="Only this action, such as resend.")] = None,
    company: OfCompany = None,
    project: OfProject = None,
    delivery_id: Annotated[int | None, typer.Option("--delivery", metavar="ID", min=1, max=MAX_ID)] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    wide: Wide = False,
    as_json: Json = False,
) -> None:
    """List who did what, when and why: operators by commands, and callers of the API.

    A caller of the API is `api:` and the name of its key in API_KEYS, or `api` if its key has no name.
    """
    wanted = InterventionFilter(operator=operator, action=action, delivery_id=delivery_id, since=since, until=until)
    run(records.show_interventions(wanted, company, project, limit, wide=wide, as_json=as_json))
