"""How results are shown: one JSON document, or tables for people. Both go to stdout, all else to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

UNLIMITED = 10_000
"""Characters to a line where no terminal sets a limit: a file or a pipe gets every cell in full."""


def stderr_console() -> Console:
    """For progress: it shows on a terminal only."""
    return Console(stderr=True)


def print_json(document: object) -> None:
    """Times come as ISO 8601. Plain ASCII, so that no locale can spoil it."""
    sys.stdout.write(json.dumps(document, indent=2, default=_json_value) + "\n")


def print_line(line: str) -> None:
    sys.stdout.write(_printable(line) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A cell is shown as it is, without rich's markup; None is shown as a dash."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    width = None if sys.stdout.isatty() else UNLIMITED
    Console(width=width, markup=False, highlight=False, emoji=False).print(table)


def print_page(rows: Sequence[Mapping[Any, Any]], limit: int, columns: Mapping[str, str], as_json: bool) -> None:
    """At most `limit` of the rows; whether there are more is said too. `columns` are headings and the rows' keys."""
    shown = rows[:limit]
    more = len(rows) > limit
    if as_json:
        print_json({"items": [dict(row) for row in shown], "more": more})
        return
    print_table(list(columns), [[row[name] for name in columns.values()] for row in shown])
    if more:
        sys.stderr.write(f"There are more than these {limit}: raise --limit.\n")


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
    return _printable(str(value))


def _printable(text: str) -> str:
    """Control characters of a name or a server's reply must not reach the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def _json_value(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"no JSON for {type(value).__name__}")
