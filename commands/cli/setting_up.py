"""The commands that set up an installation and load its data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands import importing, servers, upkeep
from commands.cli.options import Json
from commands.completion import Shell, print_completion
from commands.running import run

app = typer.Typer()
schedules_app = typer.Typer(no_args_is_help=True, help="The Temporal Schedules.")
app.add_typer(schedules_app, name="schedules")


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


@schedules_app.command("list")
def list_schedules(as_json: Json = False) -> None:
    """List the Schedules with their last and next run, and whether they are paused and why.

    The exit status is 1 if one is missing.
    """
    run(upkeep.list_schedules(as_json=as_json))


@app.command("servers")
def run_servers(
    state: Annotated[
        Path, typer.Option(metavar="DIR", file_okay=False, help="The folder for data, logs and endpoints.json.")
    ],
) -> None:
    """Run the embedded PostgreSQL and Temporal until SIGTERM. For development."""
    run(servers.run_servers(state))


@app.command("completion")
def show_completion(shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish")]) -> None:
    """Print a script that makes your shell complete `python cli.py`.

    For bash and zsh: `. <(python cli.py completion bash)`. For fish: `python cli.py completion fish | source`.
    """
    print_completion(shell)
