"""Says what is wrong with a file's first line: other separators, capitals, UTF-16."""

from __future__ import annotations

from collections.abc import Sequence

_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_UTF_16_BEGINS = ("\udcff\udcfe", "\udcfe\udcff")
"""The byte order mark, read as bytes that are not UTF-8."""


def header_form_fault(names: Sequence[str], columns: Sequence[str]) -> str | None:
    """Returns what is wrong with the form of the first line, in one sentence, and what to do. None: only the names may
    be wrong. `names` are its fields, read as comma-separated."""
    line = ",".join(names)
    if not line:
        return "the file is empty"
    if line.startswith(_UTF_16_BEGINS) or "\0" in line:
        return "the file is UTF-16: save it as CSV UTF-8"
    if not is_text(line):
        return "the file is not UTF-8: save it as CSV UTF-8"
    if line.lower().startswith("sep="):
        return f"delete the line {line!r}, which only Excel reads, and separate the columns by commas"
    for separator, called in _SEPARATORS.items():
        if _names_all(line.split(separator), columns):
            return f"the columns are separated by {called}: save it as CSV UTF-8 (comma delimited)"
    if _names_all(names, columns) and not set(columns) <= set(names):
        return "the columns' names must be in lower case"
    return None


def _names_all(names: Sequence[str], columns: Sequence[str]) -> bool:
    return set(columns) <= {name.strip(' "').lower() for name in names}


def is_text(value: str) -> bool:
    """Whether all bytes were UTF-8."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
