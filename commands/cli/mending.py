"""The commands that correct the record and send again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from commands import bounces, interventions, many
from commands.cli.options import (
    CHANNELS,
    MAX_ID,
    Json,
    Limit,
    OfCompany,
    OfContent,
    OfProject,
    OnChannel,
    OneChannel,
    Operator,
    Since,
    ToRecipient,
    Until,
    Why,
    WithReason,
    channel_name,
    recipients,
)
from commands.many import Action, Decision
from commands.running import run
from contracts.sending import DeliveryStatus
from db.record.filters import DeliveryFilter

app = typer.Typer()


OneDelivery = Annotated[
    int | None,
    typer.Argument(
        metavar="ID",
        min=1,
        max=MAX_ID,
        help="A delivery's id, as `deliveries` shows it. Without it, all that match the filters.",
    ),
]
WhyIfChanged = Annotated[
    str | None,
    typer.Option("--why", help="The reason, the same for all; it is recorded. Required unless --dry-run."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Without ID: only show what matches.")]
SENT_AGAIN = (DeliveryStatus.REJECTED, DeliveryStatus.FAILED, DeliveryStatus.SKIPPED)


def _reason(why: str | None, *, needed: bool) -> str:
    if needed and not (why or "").strip():
        raise typer.BadParameter("say why: it is recorded", param_hint="'--why'")
    return (why or "").strip()


def _some(wanted: DeliveryFilter) -> DeliveryFilter:
    """Raises `typer.BadParameter` if it means everything there is."""
    narrow = (wanted.reason, wanted.since, wanted.company, wanted.project, wanted.content, wanted.recipients)
    if all(each is None for each in narrow):
        raise typer.BadParameter(
            "say which deliveries: --since TIME, --reason CODE, --company, --project, --content or --recipient"
        )
    return wanted


def _all(decision: Decision, wanted: DeliveryFilter, *, dry_run: bool, as_json: bool) -> NoReturn:
    if dry_run:
        run(many.show_matching(decision, _some(wanted), as_json=as_json))
    run(many.decide_all(decision, _some(wanted), as_json=as_json))


@app.command()
def resolve(
    by: Operator,
    delivery_id: OneDelivery = None,
    why: WhyIfChanged = None,
    accepted: Annotated[bool, typer.Option("--accepted", help="Record that the recipient has the message.")] = False,
    resend: Annotated[bool, typer.Option("--resend", help="Send it again, marked as a possible duplicate.")] = False,
    channel: OnChannel = None,
    reason: WithReason = None,
    recipient: ToRecipient = None,
    company: OfCompany = None,
    project: OfProject = None,
    content: OfContent = None,
    since: Since = None,
    until: Until = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Settle a delivery that is `unknown`: the provider may have taken it, but its answer was lost.

    Without ID, settle all that match the filters. --since and --until refer to the time at which they ended.
    """
    if accepted == resend:
        raise typer.BadParameter("give either --accepted or --resend")
    wanted = DeliveryFilter(
        status=DeliveryStatus.UNKNOWN,
        channel=channel,
        reason=reason,
        recipients=recipients(recipient, channel),
        company=company,
        project=project,
        content=content,
        since=since,
        until=until,
    )
    said = _reason(why, needed=not dry_run)
    if delivery_id is None:
        action: Action = "resolve-accepted" if accepted else "resolve-resend"
        _all(Decision(action, by, said), wanted, dry_run=dry_run, as_json=as_json)
    _refuse_filters(wanted, DeliveryFilter(status=DeliveryStatus.UNKNOWN), dry_run=dry_run)
    if accepted:
        run(interventions.confirm(delivery_id, by, said, as_json=as_json))
    run(interventions.send_again(delivery_id, "resolve-resend", by, said, as_json=as_json))


@app.command()
def resend(
    by: Operator,
    delivery_id: OneDelivery = None,
    why: WhyIfChanged = None,
    status: Annotated[
        DeliveryStatus | None,
        typer.Option(
            metavar="|".join(SENT_AGAIN), show_default="rejected", help="Without ID: the status in which they ended."
        ),
    ] = None,
    channel: OnChannel = None,
    reason: WithReason = None,
    recipient: ToRecipient = None,
    company: OfCompany = None,
    project: OfProject = None,
    content: OfContent = None,
    since: Since = None,
    until: Until = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Resend a delivery that was rejected, failed or skipped, to the company's current address.

    Without ID, resend all that match the filters, also to addresses that were suppressed only because of that refusal.
    --since and --until refer to the time at which they ended.
    """
    if status is not None and status not in SENT_AGAIN:
        raise typer.BadParameter(
            f"only what is {', '.join(SENT_AGAIN)} can be sent again; for `unknown` use `resolve --resend`",
            param_hint="'--status'",
        )
    wanted = DeliveryFilter(
        status=status or DeliveryStatus.REJECTED,
        channel=channel,
        reason=reason,
        recipients=recipients(recipient, channel),
        company=company,
        project=project,
        content=content,
        since=since,
        until=until,
    )
    said = _reason(why, needed=not dry_run)
    if delivery_id is None:
        _all(Decision("resend", by, said), wanted, dry_run=dry_run, as_json=as_json)
    _refuse_filters(wanted, DeliveryFilter(status=wanted.status), dry_run=dry_run or status is not None)
    run(interventions.send_again(delivery_id, "resend", by, said, as_json=as_json))


def _refuse_filters(wanted: DeliveryFilter, none: DeliveryFilter, *, dry_run: bool) -> None:
    if dry_run or wanted != none:
        raise typer.BadParameter("give either an ID, or filters and --dry-run")


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
