"""The commands about how long the record and people's data are kept."""

from __future__ import annotations

from typing import Annotated

import typer

from commands import retention
from commands.cli.options import Json
from commands.running import run

app = typer.Typer()


@app.command("retention")
def apply_retention(
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be removed.")] = False,
    as_json: Json = False,
) -> None:
    """Remove now what TEXTS_KEEP_DAYS and RECORD_KEEP_DAYS no longer keep. A Schedule does so daily."""
    if dry_run and wait:
        raise typer.BadParameter("use --wait or --dry-run, not both: a dry run starts nothing")
    run(retention.retention(wait=wait, dry_run=dry_run, as_json=as_json))
