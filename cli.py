"""The operator's commands."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from channels.registry import names
from commands import (
    bounces,
    deactivating,
    dry_run,
    health,
    importing,
    interventions,
    pausing,
    preview,
    records,
    renewing,
    scanning,
    servers,
    untold,
    upkeep,
)
from commands.running import FAILED, OK, run
from contracts.keys import NotificationType, is_about_an_item
from contracts.sending import ALWAYS_DELIVERED, DeliveryStatus, NotificationStatus
from db.record.list import NotificationFilter
from db.record.reopen import Ended
from runtime import leaving
from runtime.times import from_now, parse_time
from runtime.users import user_name

app = typer.Typer(
    help=__doc__,
    epilog="Exit status: 0 success, 1 the job failed, 2 a wrong setting or argument. "
    "Settings are read from the environment.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
schedules_app = typer.Typer(no_args_is_help=True, help="The Temporal Schedules.")
app.add_typer(schedules_app, name="schedules")

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="Most rows to show, newest first.")]

Wide = Annotated[
    bool, typer.Option("--wide", help="Show all columns, each row on one line. A file or a pipe always gets all.")
]

MAX_ID = 2**63 - 1


def _channel(name: str) -> str:
    if name not in names():
        raise typer.BadParameter(f"{name!r} is not a channel: choose from {', '.join(names())}")
    return name


OneChannel = typer.Option(parser=_channel, metavar="|".join(names()))


def _moment(text: str) -> datetime:
    try:
        time = parse_time(text.strip())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return from_now(time) if isinstance(time, timedelta) else time


@app.command()
def migrate(
    down_to: Annotated[
        str | None,
        typer.Option(metavar="REVISION", help="Go back to this revision, such as 0003, for an older release."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Migrate the database to the newest revision."""
    run(upkeep.migrate(down_to, as_json=as_json))


@app.command("import")
def import_csv(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="The folder with companies.csv, projects.csv and ar_contents.csv.",
        ),
    ],
    strict: Annotated[bool, typer.Option("--strict", help="Load nothing if any line is bad.")] = False,
    as_json: Json = False,
) -> None:
    """Load companies, projects and AR content from CSV files.

    Rows are created or updated by slug; rows that no line names are kept. Good lines are loaded, bad lines are listed.
    The exit status is 1 if there was a bad line. A relative time such as +7d counts from the first import; later
    imports keep it. A file may be missing if the rows that the other files refer to are in the database.
    """
    run(importing.import_csv(folder, strict=strict, as_json=as_json))


@schedules_app.command("apply")
def apply_schedules(as_json: Json = False) -> None:
    """Create the Schedules, or update them from the settings."""
    run(upkeep.apply_schedules(as_json=as_json))


@app.command()
def scan(
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the scan has ended.")] = False,
    timeout: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="With --wait: fail after this time. The scan keeps running."),
    ] = None,
    only_show: Annotated[
        bool, typer.Option("--dry-run", help="Show which notifications a scan would open; send nothing.")
    ] = False,
    at: Annotated[
        datetime | None,
        typer.Option(
            parser=_moment, metavar="TIME", help="With --dry-run: show a scan at this time, as ISO 8601 or +7d."
        ),
    ] = None,
    allow_many: Annotated[
        bool, typer.Option("--allow-many", help="Open all due notifications, even more than SCAN_MAX_NOTICES.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Scan now for items that are about to end. If a manual scan is already running, this follows it."""
    if only_show and wait:
        raise typer.BadParameter("use --wait or --dry-run, not both: a dry run starts nothing")
    if timeout is not None and not wait:
        raise typer.BadParameter("--timeout requires --wait")
    if at is not None and not only_show:
        raise typer.BadParameter("--at requires --dry-run: a scan uses the real clock")
    if allow_many and only_show:
        raise typer.BadParameter("use --allow-many or --dry-run, not both: a dry run shows all items anyway")
    if only_show:
        run(dry_run.scan(at, as_json=as_json))
    run(scanning.scan(wait=wait, timeout=timeout, allow_many=allow_many, as_json=as_json))


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


def _not_blank(text: str) -> str:
    if not text.strip():
        raise typer.BadParameter("must not be blank: it is recorded")
    return text.strip()


DeliveryId = Annotated[
    int, typer.Argument(metavar="ID", min=1, max=MAX_ID, help="A delivery's id, as `deliveries` shows it.")
]
Operator = Annotated[
    str,
    typer.Option(
        "--by",
        default_factory=user_name,
        show_default="your user name",
        help="Who does this; it is recorded.",
        callback=_not_blank,
    ),
]
Why = Annotated[str, typer.Option("--why", help="The reason; it is recorded.", callback=_not_blank)]


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
            parser=_moment,
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
    channel: Annotated[str, typer.Argument(parser=_channel, metavar="|".join(names()))],
    address: Annotated[str, typer.Argument(help="The address or chat id, as `suppressions` shows it.")],
    why: Why,
    by: Operator,
    as_json: Json = False,
) -> None:
    """Lift the suppression of an address, so that it is used again."""
    run(interventions.unsuppress(channel, address, by, why, as_json=as_json))


@app.command("preview")
def show_preview(
    notification_type: Annotated[NotificationType, typer.Option("--type")],
    locale: Annotated[str, typer.Option(metavar="LOCALE", help="A company's locale, such as ru or ru-RU.")] = "en",
    channel: Annotated[str, OneChannel] = ALWAYS_DELIVERED[0],
    item: Annotated[preview.Item, typer.Option(help="The item that ends or has ended.")] = preview.Item.PROJECT,
    part: Annotated[
        preview.Part | None, typer.Option(help="Show only this part, of a channel that has several.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", file_okay=False, help="Write each part to a file in this folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show a notification's text with sample data, as a company would get it. Sends nothing and needs no server."""
    if item is preview.Item.CONTENT and not is_about_an_item(notification_type):
        raise typer.BadParameter("--item content requires --type expiring or --type expired")
    run(preview.preview(notification_type, locale, channel, item, part, output, as_json=as_json))


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


@app.command()
def pause(why: Why, by: Operator, as_json: Json = False) -> None:
    """Pause sending to companies, the scan and the deactivation. Tests and alerts are still sent."""
    run(pausing.pause(by, why, as_json=as_json))


@app.command()
def resume(by: Operator, as_json: Json = False) -> None:
    """Resume sending. Held notifications are sent; those past their deadline are dropped."""
    run(pausing.resume(by, as_json=as_json))


@app.command()
def deactivate(
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the deactivation has ended.")] = False,
    timeout: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="SECONDS", help="With --wait: fail after this time. The deactivation keeps running."
        ),
    ] = None,
    only_show: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be deactivated; change nothing.")
    ] = False,
    allow_many: Annotated[
        bool, typer.Option("--allow-many", help="Deactivate all ended items, even more than SCAN_MAX_NOTICES.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Deactivate ended items now. If a manual deactivation is already running, this follows it."""
    if only_show and wait:
        raise typer.BadParameter("use --wait or --dry-run, not both: a dry run starts nothing")
    if timeout is not None and not wait:
        raise typer.BadParameter("--timeout requires --wait")
    if allow_many and only_show:
        raise typer.BadParameter("use --allow-many or --dry-run, not both: a dry run shows all items anyway")
    if only_show:
        run(dry_run.deactivate(as_json=as_json))
    run(deactivating.deactivate(wait=wait, timeout=timeout, allow_many=allow_many, as_json=as_json))


@app.command()
def renew(
    until: Annotated[
        datetime,
        typer.Option(parser=_moment, metavar="TIME", help="The new end: ISO 8601 with offset, or +365d."),
    ],
    by: Operator,
    slug: Annotated[str | None, typer.Argument(metavar="SLUG", help="The project's slug.")] = None,
    content: Annotated[
        str | None,
        typer.Option(metavar="SLUG", help="Renew this AR content instead. It must have an end of its own."),
    ] = None,
    why: Why = "renewed",
    as_json: Json = False,
) -> None:
    """Renew a project, or AR content with an end of its own, until a new end.

    What was deactivated at the old end is reactivated. Notifications about the old end that are not sent yet are
    skipped.
    """
    item = slug or content
    if item is None or (slug and content):
        raise typer.BadParameter("give either a project's SLUG or --content SLUG")
    if until <= datetime.now(UTC):
        raise typer.BadParameter(f"--until {until:%Y-%m-%d %H:%M:%S} UTC is not in the future")
    run(renewing.renew(item, until, by, why, is_content=slug is None, as_json=as_json))


def _duration(text: str) -> timedelta:
    try:
        duration = parse_time(f"+{text.strip().removeprefix('+')}")
    except ValueError:
        duration = None
    if not isinstance(duration, timedelta):
        raise typer.BadParameter(f"{text!r} is not a duration: write 3d, 12h or 30m")
    return duration


@app.command("check-health")
def check_health(
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the result; the exit status is 1 if there is a problem.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the system's health now. Problems are alerted as in the scheduled checks."""
    run(health.check_health(wait=wait, as_json=as_json))


@app.command()
def problems(as_json: Json = False) -> None:
    """List the current problems with their start and their last alert."""
    run(health.problems(as_json=as_json))


@app.command("untold")
def list_untold(
    within: Annotated[
        timedelta, typer.Option(parser=_duration, metavar="DURATION", help="How soon an item ends: 3d, 12h or 30m.")
    ] = "3d",  # type: ignore[assignment] # typer parses the default too
    as_json: Json = False,
) -> None:
    """List active items that end soon or have ended, but whose company was not notified, with the reasons."""
    run(untold.list_untold(within, as_json=as_json))


@app.command("servers")
def run_servers(
    state: Annotated[
        Path, typer.Option(metavar="DIR", file_okay=False, help="The folder for data, logs and endpoints.json.")
    ],
) -> None:
    """Run the embedded PostgreSQL and Temporal until SIGTERM. For development."""
    run(servers.run_servers(state))


def main() -> NoReturn:
    """Runs the command from the command line and exits with its status."""
    status = FAILED
    try:
        app(prog_name="cli.py")
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else OK if left.code is None else FAILED
    except BaseException:  # noqa: BLE001 - printed here: the process leaves without the interpreter
        traceback.print_exc()
    leaving.leave(status)


if __name__ == "__main__":
    main()
