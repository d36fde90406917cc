"""Prints results: one JSON document, or tables for people. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

UNLIMITED = 10_000
"""Characters a line without a terminal: a file or a pipe gets every cell in full."""
SHORT = 12
"""A column whose cells are all this short is not folded: it holds words such as `undelivered`."""


def stderr_console() -> Console:
    """Returns a console for progress, which shows on a terminal only."""
    return Console(stderr=True)


def print_json(document: object) -> None:
    """Prints the document, with times and days as ISO 8601. It is plain ASCII, so that it suits every locale."""
    sys.stdout.write(json.dumps(document, indent=2, default=_json_value) + "\n")


def print_line(line: str) -> None:
    sys.stdout.write(printable(line) + "\n")


def print_script(text: str) -> None:
    """Prints a text of our own as it is, with its line ends."""
    sys.stdout.write(text)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, wide: bool = False) -> None:
    """Prints a table. Cells are shown literally, without rich's markup; None is shown as a dash.

    On a terminal long cells are folded, but no cell as short as a word; with `wide` none is.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        longest = max((len(row[number]) for row in cells), default=0)
        table.add_column(column, overflow="fold", no_wrap=longest <= SHORT)
    for row in cells:
        table.add_row(*row)
    width = None if sys.stdout.isatty() and not wide else UNLIMITED
    height = None if width is None else 25  # a terminal called dumb keeps its own width unless both are given
    Console(width=width, height=height, markup=False, highlight=False, emoji=False).print(table)


def print_page(
    rows: Sequence[Mapping[Any, Any]],
    limit: int,
    columns: Mapping[str, str],
    as_json: bool,
    *,
    few: Collection[str] = (),
    wide: bool = False,
) -> None:
    """Prints at most `limit` rows, and says whether there are more. `columns` maps headings to the rows' keys.

    A terminal gets the columns named by `few`, if any, and all only with `wide`. A file or a pipe gets all.
    """
    shown = rows[:limit]
    more = len(rows) > limit
    if as_json:
        print_json({"items": [dict(row) for row in shown], "more": more})
        return
    if few and not wide and sys.stdout.isatty():
        columns = {heading: name for heading, name in columns.items() if heading in few}
    print_table(list(columns), [[row[name] for name in columns.values()] for row in shown], wide=wide)
    if more:
        sys.stderr.write(f"Only the first {limit} are shown: raise --limit to see more.\n")


def _cell(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return format(value.astimezone(UTC), "%Y-%m-%d %H:%M:%S")
        case list():
            return ", ".join(map(_cell, value)) or "-"
    return printable(str(value))


def printable(text: str) -> str:
    """Replaces control characters, so that none of a name or a server's reply reaches the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def _json_value(value: object) -> str:
    if isinstance(value, date):  # a datetime is one too
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
