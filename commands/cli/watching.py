"""The commands that say whether all is well."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from commands import health, summary
from commands.cli.options import Json, day
from commands.doctor import examining
from commands.running import run

app = typer.Typer()


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


@app.command()
def doctor(
    strict: Annotated[
        bool, typer.Option("--strict", help="Also exit with 1 if a check warns or could not be made.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the installation: servers, versions, schema, limits, queues, Schedules, providers, clocks.

    It changes and sends nothing, and takes at most ten seconds. The exit status is 1 if a check failed. Warnings and
    checks that could not be made leave it at 0, unless you give --strict.
    """
    run(examining.doctor(strict=strict, as_json=as_json))


@app.command("summary")
def show_summary(
    shown_day: Annotated[
        date | None,
        typer.Option(
            "--day",
            parser=day,
            metavar="YYYY-MM-DD",
            help="The day, on the calendar of EXPIRY_SCAN_TIMEZONE.",
            show_default="yesterday",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show a day as the daily summary tells it: what was sent and rejected, what is due, and what is wrong."""
    run(summary.show_summary(shown_day, as_json=as_json))
