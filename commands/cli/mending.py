"""The commands that correct the record and send again."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from commands import bounces, interventions
from commands.cli.options import (
    CHANNELS,
    MAX_ID,
    DeliveryId,
    Json,
    Limit,
    OneChannel,
    Operator,
    Why,
    channel_name,
    moment,
)
from commands.running import run
from contracts.sending import DeliveryStatus
from db.record.reopen import Ended

app = typer.Typer()


@app.command()
def resolve(
    delivery_id: DeliveryId,
    why: Why,
    by: Operator,
    accepted: Annotated[bool, typer.Option("--accepted", help="Record that the recipient has the message.")] = False,
    resend: Annotated[bool, typer.Option("--resend", help="Send it again, marked as a possible duplicate.")] = False,
    as_json: Json = False,
) -> None:
    """Settle a delivery that is `unknown`: the provider may have taken it, but its answer was lost."""
    if accepted == resend:
        raise typer.BadParameter("give either --accepted or --resend")
    if accepted:
        run(interventions.confirm(delivery_id, by, why, as_json=as_json))
    run(interventions.send_again(delivery_id, "resolve-resend", by, why, as_json=as_json))


@app.command()
def resend(
    why: Why,
    by: Operator,
    delivery_id: Annotated[
        int | None,
        typer.Argument(metavar="ID", min=1, max=MAX_ID, help="A delivery's id. Without it, all that match."),
    ] = None,
    status: Annotated[
        DeliveryStatus, typer.Option(help="Without ID: the status in which they ended.")
    ] = DeliveryStatus.REJECTED,
    channel: Annotated[str | None, OneChannel] = None,
    reason: Annotated[str | None, typer.Option(help="Without ID: only those with this reason.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=moment,
            metavar="TIME",
            help="Without ID: ended at this time or later. `-2h` is allowed.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Without ID: only list them.")] = False,
    as_json: Json = False,
) -> None:
    """Resend a delivery that was rejected, failed or skipped, to the company's current address. Without ID, resend
    all that match, also to addresses that were suppressed only because of that refusal."""
    if delivery_id is not None:
        if channel or reason or since or dry_run:
            raise typer.BadParameter("give either an ID, or --channel, --reason, --since and --dry-run")
        run(interventions.send_again(delivery_id, "resend", by, why, as_json=as_json))
    if since is None and not reason:
        raise typer.BadParameter("say which deliveries: --since TIME, --reason CODE, or both")
    ended = Ended(status, channel, reason, since)
    run(interventions.send_again_all(ended, by, why, dry_run=dry_run, as_json=as_json))


@app.command()
def suppressions(channel: Annotated[str | None, OneChannel] = None, limit: Limit = 50, as_json: Json = False) -> None:
    """List the suppressed addresses: those that the provider reported gone, and those that unsubscribed."""
    run(interventions.list_suppressions(channel, limit, as_json=as_json))


@app.command(context_settings={"ignore_unknown_options": True})  # a group's id begins with a dash
def unsuppress(
    channel: Annotated[str, typer.Argument(parser=channel_name, metavar=CHANNELS)],
    address: Annotated[str, typer.Argument(help="The address or chat id, as `suppressions` shows it.")],
    why: Why,
    by: Operator,
    as_json: Json = False,
) -> None:
    """Lift the suppression of an address, so that it is used again."""
    run(interventions.unsuppress(channel, address, by, why, as_json=as_json))


@app.command("bounces")
def read_bounces(
    maildir: Annotated[
        Path,
        typer.Option(metavar="DIR", exists=True, file_okay=False, help="The Maildir of SMTP_FROM_EMAIL's mailbox."),
    ],
    as_json: Json = False,
) -> None:
    """Read bounced e-mails from a Maildir and mark their deliveries as rejected.

    E-mails that were processed are marked as seen. Those that could not be understood are listed and flagged: read
    them yourself.
    """
    run(bounces.read_bounces(maildir, as_json=as_json))
