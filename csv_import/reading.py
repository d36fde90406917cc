"""Reads one CSV file, line by line: a good line becomes a row, a bad one a list of reasons.

A file is UTF-8 with or without BOM, with any line ends, comma-separated, and quoted as in RFC 4180. A field in quotes
may contain line breaks; a line's number is that of its first physical line. Blank lines are skipped.
"""

from __future__ import annotations

import csv
import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Generic, TextIO, TypeVar

from pydantic import ValidationError

from csv_import.fields import Known
from csv_import.headers import header_form_fault, is_text
from csv_import.lines import CsvLine
from runtime.quoting import quote
from runtime.wording import plain

Row = TypeVar("Row", bound=CsvLine)


@dataclass(frozen=True)
class Fault:
    """One error. `column` is None if the whole line is wrong; `line` is None if the whole file is."""

    file: str
    line: int | None
    column: str | None
    reason: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.reason}" if self.column is None else f"{place}: {self.column}: {self.reason}"


@dataclass(frozen=True)
class Line(Generic[Row]):
    """A line of a file. A bad line has no row and at least one fault."""

    number: int
    slug: str
    """Empty if it cannot be read or an earlier line has it."""
    reference: str
    """The slug of the company or project that the line belongs to; empty if it cannot be read."""
    row: Row | None
    faults: Sequence[Fault] = ()


class CsvFile(Generic[Row]):
    """A file with one kind of line. A file that cannot be read counts as one bad line."""

    def __init__(self, path: Path, kind: type[Row], longer: type[Row] | None = None) -> None:
        """`longer` is the kind of line in a file that has the optional columns too."""
        self.name = path.name
        self.bytes_read = 0
        """Bytes read so far, for a progress bar."""
        self._path = path
        self._kind = kind
        self._longer = longer or kind
        self._columns = tuple(kind.model_fields)
        self._optional = tuple(name for name in self._longer.model_fields if name not in self._columns)
        self._first_lines: dict[str, int] = {}
        self._known: Known | None = None
        self._opened: tuple[int, ...] | None = None

    def exists(self) -> bool:
        return self._path.exists()

    def size(self) -> int:
        """Returns the file's size in bytes."""
        return self._path.stat().st_size

    def was_changed(self) -> bool:
        """Whether somebody has written, replaced or deleted the file since it was opened to be read."""
        if self._opened is None:
            return False
        try:
            return _identity(self._path.stat()) != self._opened
        except OSError:
            return True

    def lines(self, known: Known | None = None) -> Iterator[Line[Row]]:
        """Yields all lines in order, good and bad. Without `known`, a time zone is not looked up. Call it only once."""
        self._known = known
        try:
            # Bytes that are not UTF-8 become surrogates, so that their line can be reported and the rest read.
            with (
                self._path.open("rb") as file,
                TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as text,
            ):
                self._opened = _identity(os.fstat(file.fileno()))
                for line in self._lines(_PhysicalLines(text)):
                    self.bytes_read = file.tell()
                    yield line
        except OSError as error:
            yield Line(1, "", "", None, [Fault(self.name, None, None, f"cannot be read: {error.strerror}")])

    def _lines(self, physical: _PhysicalLines) -> Iterator[Line[Row]]:
        header = next(_records(physical, None), None)
        names = [name.strip() for name in header.fields] if header else []
        if reason := self._header_fault(names):
            yield Line(1, "", "", None, [Fault(self.name, 1, None, reason)])
            return
        if any(name in self._optional for name in names):
            self._kind = self._longer
        for record in _records(physical, len(names)):
            yield self._line(record, names)

    def _header_fault(self, names: Sequence[str]) -> str | None:
        expected = f"the first line must be {','.join(self._columns)}"
        if self._optional:
            expected += f" and may have {', '.join(self._optional)}"
        if fault := header_form_fault(names, self._columns):
            return f"{fault}; {expected}"
        if missing := [column for column in self._columns if column not in names]:
            return f"missing column {', '.join(missing)}; {expected}"
        if unknown := [name for name in names if name not in (*self._columns, *self._optional)]:
            return f"unknown column {', '.join(map(quote, unknown))}; {expected}"
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            return f"duplicate column {', '.join(twice)}; {expected}"
        return None

    def _line(self, record: _Record, names: Sequence[str]) -> Line[Row]:
        values = {name: field.strip() for name, field in zip(names, record.fields, strict=False)}
        slug = values.get("slug", "")
        faults = [Fault(self.name, record.number, None, record.fault)] if record.fault else []
        row = None
        if not faults:
            row, wrong = self._row({name: value for name, value in values.items() if value})
            faults = [Fault(self.name, record.number, column, reason) for column, reason in wrong]
        if slug and (first := self._first_lines.setdefault(slug, record.number)) != record.number:
            faults.append(Fault(self.name, record.number, "slug", f"{quote(slug)} is already in line {first}"))
            slug = ""
        reference = values.get(self._kind.reference or "", "")
        return Line(record.number, slug, reference, None if faults else row, faults)

    def _row(self, values: dict[str, str]) -> tuple[Row | None, list[tuple[str, str]]]:
        """Returns the checked row, or the wrong columns with their reasons."""
        garbled = [name for name, value in values.items() if not is_text(value)]
        if garbled:
            return None, [(name, "is not UTF-8: save the file as CSV UTF-8") for name in garbled]
        try:
            return self._kind.model_validate(values, context=self._known), []
        except ValidationError as error:
            return None, [
                (
                    str(wrong["loc"][0]),
                    "is empty" if wrong["type"] == "missing" else plain(wrong),
                )
                for wrong in error.errors(include_url=False, include_input=False)
            ]


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """Returns what changes when a file is written or another one takes its place."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@dataclass(frozen=True)
class _Record:
    """The fields of one record. `fault` says what is wrong with the quotes or the number of fields."""

    number: int
    fields: list[str]
    fault: str | None = None


class _PhysicalLines:
    """Gives lines to the CSV reader, and takes back those that it read too many."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._returned: deque[str] = deque()
        self._taken: list[str] = []
        self._number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else next(self._file)
        self._taken.append(line)
        return line

    @property
    def first(self) -> str:
        """The record's first line."""
        return self._taken[0]

    def begin(self) -> int:
        """Begins a record and returns the number of its first line."""
        self._number += len(self._taken)
        self._taken.clear()
        return self._number + 1

    def return_all_but_first(self) -> None:
        self._returned.extendleft(reversed(self._taken[1:]))
        del self._taken[1:]


def _records(physical: _PhysicalLines, width: int | None) -> Iterator[_Record]:
    """Yields the records that are not blank. A stray quote spoils only its own line: reading continues with the
    next."""
    reader = csv.reader(physical, strict=True)
    while True:
        number = physical.begin()
        fields: list[str] = []
        fault = None
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            fields = _without_quotes(physical.first)
            fault = f"is not CSV ({error}): end a field in quotes with a quote, and write a quote inside it twice"
        else:
            if not "".join(fields).strip() and len(fields) < 2:
                continue
            if width is not None and len(fields) != width:
                fault = f"has {len(fields)} fields instead of {width}: put a field with a comma in quotes"
        if fault:
            physical.return_all_but_first()
        yield _Record(number, fields, fault)


def _without_quotes(line: str) -> list[str]:
    """Guesses the fields of a broken line, well enough to find its slug."""
    return [field.strip(' "\r\n') for field in line.split(",")]
