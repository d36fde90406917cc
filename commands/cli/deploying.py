"""The commands that say whether new code may be deployed."""

from __future__ import annotations

from typing import Annotated

import typer

from commands import replaying
from commands.cli.options import Json
from commands.running import run

app = typer.Typer()


@app.command("replay")
def replay_histories(
    query: Annotated[
        str | None,
        typer.Option(
            metavar="QUERY", help="Which workflows, as a list filter of Temporal. Default: all of this application's."
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="The most workflows to replay, running ones first.")
    ] = 1000,
    verbose: Annotated[bool, typer.Option("--verbose", help="Also show what Temporal's SDK says.")] = False,
    as_json: Json = False,
) -> None:
    """Replay workflows of the namespace with the code of this checkout. Changes nothing. Run it before a deployment.

    The exit status is 1 if the code does not follow the history of one of them: that workflow would wait instead of
    going on. It is named, with the event and what differs.
    """
    run(replaying.replay(query, limit, verbose=verbose, as_json=as_json))
