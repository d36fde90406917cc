"""`import DIR`: loads CSV files and reports."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from commands.output import print_json, print_line, print_table, stderr_console
from commands.running import FAILED, OK, CommandFailed, complain, database
from csv_import.loading import FileChanged, ImportReport, NothingToImport, import_folder
from settings import Settings, SettingsError


async def import_csv(folder: Path, *, strict: bool, as_json: bool) -> int:
    """Loads the folder's files and reports. Returns 1 if a line was bad."""
    settings = Settings.load()
    console = stderr_console()
    bar = Progress(
        TextColumn("Importing"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    async with database(settings) as engine:
        with bar:
            task = bar.add_task("import", total=None)
            try:
                report = await import_folder(
                    engine,
                    folder,
                    now=datetime.now(UTC),
                    strict=strict,
                    progress=lambda done, total: bar.update(task, completed=done, total=total),
                )
            except NothingToImport as error:
                raise SettingsError(f"{folder}: {error}") from None
            except FileChanged as error:
                raise CommandFailed(str(error)) from None
    _print(report, as_json)
    return FAILED if report.bad else OK


def _print(report: ImportReport, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "loaded": report.loaded,
                "files": {name: asdict(counts) for name, counts in report.files.items()},
                "missing": report.missing,
                "bad_lines": [asdict(fault) for fault in report.faults],
            }
        )
        return
    for fault in report.faults:
        complain(str(fault))
    print_table(
        ("file", "new", "changed", "unchanged", "bad"),
        [(name, counts.new, counts.changed, counts.unchanged, counts.bad) for name, counts in report.files.items()],
    )
    if report.missing:
        print_line(f"Missing: {', '.join(report.missing)}.")
    if not report.loaded:
        print_line("Nothing was loaded: with --strict, one bad line is enough.")
