"""Prints what the checks of `doctor` found."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from commands.doctor.result import Result, State
from commands.output import UNLIMITED, print_json, printable

_STYLES = {State.OK: "green", State.WARNING: "yellow", State.FAILED: "bold red", State.NOT_CHECKED: "dim"}


def print_report(results: Sequence[tuple[str, Result]], *, as_json: bool) -> None:
    """Prints one line for each check, with what to do below those that are not well."""
    counts = Counter(result.state for _, result in results)
    if as_json:
        print_json(
            {
                "counts": {state.value: counts[state] for state in State},
                "checks": [
                    {"name": name, "state": result.state, "says": result.says, "todo": result.todo}
                    | {"details": dict(result.details)}
                    for name, result in results
                ],
            }
        )
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, result in results:
        table.add_row(
            Text(_word(result.state), style=_STYLES[result.state]), name.replace("_", " "), _lines(result.says)
        )
        for line in filter(None, result.todo.splitlines()):
            table.add_row("", "", Text(f"> {printable(line)}"))
    width = None if sys.stdout.isatty() else UNLIMITED
    console = Console(width=width, height=None if width is None else 25, markup=False, highlight=False, emoji=False)
    with console.capture() as drawn:
        console.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in drawn.get().splitlines())
    sys.stdout.write("\n" + ", ".join(f"{counts[state]} {_word(state)}" for state in State if counts[state]) + "\n")


def _word(state: State) -> str:
    return state.replace("_", " ")


def _lines(said: str) -> Text:
    return Text("\n".join(printable(line) for line in said.splitlines()))
