"""Loads a folder of CSV files into the database, batch by batch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from csv_import.fields import Known
from csv_import.lines import ArContentLine, CompanyLine, CompanyWithQuietHoursLine, CsvLine, ProjectLine
from csv_import.reading import CsvFile, Fault, Line
from db.items import imports
from runtime.quoting import quote

BATCH = 1000
"""Lines in one statement."""

Progress = Callable[[int, int], None]
"""Called with the bytes read so far and the bytes in all files."""


class NothingToImport(Exception):
    """The folder holds none of the files."""


class FileChanged(Exception):
    """A file was written, replaced or deleted while it was read. The message names it and says what to do."""


@dataclass
class FileReport:
    """Counts of lines. A line is unchanged if its row already has its values."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    bad: int = 0


@dataclass
class ImportReport:
    """The result of an import. `files` are the files found; `faults` are all reasons, in the order of the lines."""

    loaded: bool = True
    """False: `strict` was set and a line was bad. Then all counts but `bad` are 0."""
    files: dict[str, FileReport] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def bad(self) -> int:
        """Bad lines over all files."""
        return sum(report.bad for report in self.files.values())


@dataclass(frozen=True)
class _Table:
    file: str
    line: type[CsvLine]
    upsert: Callable[[AsyncConnection, imports.Lines, datetime], Awaitable[imports.Upserted]]
    parent: str = ""
    longer: type[CsvLine] | None = None
    """The kind of line with the optional columns too."""


_TABLES = (
    _Table("companies.csv", CompanyLine, imports.upsert_companies, longer=CompanyWithQuietHoursLine),
    _Table("projects.csv", ProjectLine, imports.upsert_projects, parent="companies.csv"),
    _Table("ar_contents.csv", ArContentLine, imports.upsert_ar_contents, parent="projects.csv"),
)
FILES = tuple(table.file for table in _TABLES)


def _ignore(_done: int, _total: int) -> None:
    pass


async def import_folder(
    engine: AsyncEngine, folder: Path, *, now: datetime, strict: bool = False, progress: Progress = _ignore
) -> ImportReport:
    """Loads companies.csv, projects.csv and ar_contents.csv, in this order. Relative times count from `now`.

    A line may refer to a company or project on a good line of the previous file or in the database. So any file may be
    missing, but not all: that raises `NothingToImport`. A file that changes while it is read raises `FileChanged`; the
    lines read since the last commit are not loaded. Good lines are committed batch by batch. With `strict` they are
    committed at the end, or not at all if any line is bad. Rows that no line names are not changed. May run twice: the
    second run changes nothing.
    """
    async with engine.connect() as connection:
        running = _Import(connection, folder, now, strict, progress)
        return await running.run()


class _Import:
    """One import, with its connection and its report so far."""

    def __init__(
        self, connection: AsyncConnection, folder: Path, now: datetime, strict: bool, progress: Progress
    ) -> None:
        self._connection = connection
        self._now = now
        self._strict = strict
        self._progress = progress
        self._files = {table.file: CsvFile(folder / table.file, table.line, table.longer) for table in _TABLES}
        self._report = ImportReport()
        self._bad_slugs: dict[str, set[str]] = {name: set() for name in FILES}

    async def run(self) -> ImportReport:
        sizes = {name: file.size() for name, file in self._files.items() if file.exists()}
        if not sizes:
            raise NothingToImport(f"the folder has none of {', '.join(FILES)}")
        report = self._report
        report.missing = [name for name in FILES if name not in sizes]
        known = Known(await imports.find_time_zones(self._connection))
        done = 0
        for table in _TABLES:
            if table.file not in sizes:
                continue
            file = self._files[table.file]
            report.files[table.file] = FileReport()
            for batch in _batches(file.lines(known)):
                if file.was_changed():
                    raise FileChanged(f"{table.file} was changed while it was read: run the import again")
                await self._load(table, batch)
                self._progress(done + file.bytes_read, sum(sizes.values()))
            done += sizes[table.file]
        if self._strict and report.bad:
            await self._connection.rollback()
            report.loaded = False
            report.files = {name: FileReport(bad=file.bad) for name, file in report.files.items()}
        else:
            await self._connection.commit()
        return report

    async def _load(self, table: _Table, batch: list[Line[CsvLine]]) -> None:
        """Loads the good lines of a batch and reports the bad ones, in order."""
        faults: dict[int, list[Fault]] = {}
        good: dict[str, Line[CsvLine]] = {}
        for line in batch:
            if wrong := [*line.faults, *self._faults_beyond_the_line(table, line)]:
                faults[line.number] = wrong
                self._bad_slugs[table.file].add(line.slug)
            else:
                good[line.slug] = line
        counts = self._report.files[table.file]
        if good:
            records = [_record(line.row) for line in good.values() if line.row]
            upserted = await table.upsert(self._connection, records, self._now)
            if not self._strict:
                await self._connection.commit()
            for slug in upserted.unresolved:
                why = f"is neither in {table.parent} nor in the database"
                faults[good[slug].number] = [_reference_fault(table, good[slug], why)]
                self._bad_slugs[table.file].add(slug)
            counts.new += upserted.new
            counts.changed += upserted.changed
            counts.unchanged += len(good) - upserted.new - upserted.changed - len(upserted.unresolved)
        counts.bad += len(faults)
        self._report.faults += [fault for number in sorted(faults) for fault in faults[number]]

    def _faults_beyond_the_line(self, table: _Table, line: Line[CsvLine]) -> Iterator[Fault]:
        """Yields the faults that the line alone does not show."""
        if table.parent and line.reference and line.reference in self._bad_slugs[table.parent]:
            yield _reference_fault(table, line, f"was not loaded: its line in {table.parent} is bad")


def _reference_fault(table: _Table, line: Line[CsvLine], why: str) -> Fault:
    column = table.line.reference or ""
    return Fault(table.file, line.number, column, f"{quote(line.reference)} {why}")


def _batches(lines: Iterator[Line[CsvLine]]) -> Iterator[list[Line[CsvLine]]]:
    while batch := list(islice(lines, BATCH)):
        yield batch


def _record(row: CsvLine) -> dict[str, Any]:
    """Returns the row as `db.items.imports` takes it."""
    record = vars(row).copy()
    for column in ("starts_at", "expires_at"):
        match record.get(column):
            case datetime() as moment:
                record[column] = moment.isoformat()
            case timedelta() as distance:
                record[column] = None
                record[column.replace("_at", "_in")] = distance.total_seconds()
    if isinstance(row, CompanyWithQuietHoursLine):
        begins, ends = record.pop("quiet_hours") or (None, None)
        record |= {
            "sets_quiet_hours": True,
            "quiet_from": begins and begins.isoformat(),
            "quiet_until": ends and ends.isoformat(),
        }
    return record
