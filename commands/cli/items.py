"""The commands about items that end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from commands import deactivating, dry_run, renewing, scanning, untold
from commands.cli.options import Json, Operator, Why, duration, moment
from commands.running import run

app = typer.Typer()


def _check_together(*, wait: bool, timeout: float | None, only_show: bool, allow_many: bool) -> None:
    """Raises `typer.BadParameter` for options of `scan` and `deactivate` that do not go together."""
    if only_show and wait:
        raise typer.BadParameter("use --wait or --dry-run, not both: a dry run starts nothing")
    if timeout is not None and not wait:
        raise typer.BadParameter("--timeout requires --wait")
    if allow_many and only_show:
        raise typer.BadParameter("use --allow-many or --dry-run, not both: a dry run shows all items anyway")


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
            parser=moment, metavar="TIME", help="With --dry-run: show a scan at this time, as ISO 8601 or +7d."
        ),
    ] = None,
    allow_many: Annotated[
        bool, typer.Option("--allow-many", help="Open all due notifications, even more than SCAN_MAX_NOTICES.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Scan now for items that are about to end. If a manual scan is already running, this follows it."""
    _check_together(wait=wait, timeout=timeout, only_show=only_show, allow_many=allow_many)
    if at is not None and not only_show:
        raise typer.BadParameter("--at requires --dry-run: a scan uses the real clock")
    if only_show:
        run(dry_run.scan(at, as_json=as_json))
    run(scanning.scan(wait=wait, timeout=timeout, allow_many=allow_many, as_json=as_json))


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
    _check_together(wait=wait, timeout=timeout, only_show=only_show, allow_many=allow_many)
    if only_show:
        run(dry_run.deactivate(as_json=as_json))
    run(deactivating.deactivate(wait=wait, timeout=timeout, allow_many=allow_many, as_json=as_json))


@app.command()
def renew(
    until: Annotated[
        datetime,
        typer.Option(parser=moment, metavar="TIME", help="The new end: ISO 8601 with offset, or +365d."),
    ],
    by: Operator,
    slug: Annotated[str | None, typer.Argument(metavar="SLUG|ID", help="The project's slug or id.")] = None,
    content: Annotated[
        str | None,
        typer.Option(metavar="SLUG|ID", help="Renew this AR content instead. It must have an end of its own."),
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


@app.command("untold")
def list_untold(
    within: Annotated[
        timedelta, typer.Option(parser=duration, metavar="DURATION", help="How soon an item ends: 3d, 12h or 30m.")
    ] = "3d",  # type: ignore[assignment] # typer parses the default too
    as_json: Json = False,
) -> None:
    """List active items that end soon or have ended, but whose company was not notified, with the reasons."""
    run(untold.list_untold(within, as_json=as_json))
