"""The commands about how long the record and people's data are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands import erasing, exporting, retention
from commands.cli.options import Json, Operator, Why
from commands.running import run

app = typer.Typer()


@app.command("retention")
def apply_retention(
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be removed.")] = False,
    as_json: Json = False,
) -> None:
    """Remove now what TEXTS_KEEP_DAYS and RECORD_KEEP_DAYS no longer keep. A Schedule does this daily."""
    if dry_run and wait:
        raise typer.BadParameter("use --wait or --dry-run, not both: a dry run starts nothing")
    run(retention.retention(wait=wait, dry_run=dry_run, as_json=as_json))


Company = Annotated[str, typer.Argument(metavar="COMPANY", help="The company's slug or id.")]


@app.command("erase")
def erase_company(
    company: Company,
    why: Why,
    by: Operator,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Erase a company: addresses, names and texts are removed from every table; rows, times and codes stay.

    Notifications under way to the company are ended first. The reason is kept, so it must not name anybody.
    """
    run(erasing.erase_company(company, by, why, yes=yes, as_json=as_json))


@app.command("export")
def export_company(
    company: Company,
    to: Annotated[Path, typer.Option("--to", metavar="FILE.zip", dir_okay=False, help="The file to write.")],
    as_json: Json = False,
) -> None:
    """Write all that is on record about a company to a ZIP file, with each text as it was sent."""
    run(exporting.export_company(company, to, as_json=as_json))
