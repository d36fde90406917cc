"""CSV files written and imported by a test."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from csv_import.lines import ArContentLine, CompanyLine, CsvLine, ProjectLine
from csv_import.loading import ImportReport, import_folder

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
KINDS: dict[str, type[CsvLine]] = {"companies": CompanyLine, "projects": ProjectLine, "ar_contents": ArContentLine}
ACME = "acme,Acme,owner@acme.example,1000,en,Europe/Oslo,true,true"
SITE = "site,acme,Site,active,,2026-12-01T00:00:00Z,false,annual,30;7,a;b,"
BOW = "bow,site,Bow,true,"


class Import:
    """Writes the files and imports them, by default at NOW."""

    def __init__(self, engine: AsyncEngine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder

    def write(self, **files: str | Sequence[str]) -> None:
        for name, given in files.items():
            lines = [given] if isinstance(given, str) else given
            header = ",".join(KINDS[name].model_fields)
            (self.folder / f"{name}.csv").write_text("\n".join([header, *lines, ""]), encoding="utf-8")

    async def __call__(self, *, strict: bool = False, now: datetime = NOW) -> ImportReport:
        return await import_folder(self.engine, self.folder, now=now, strict=strict)

    async def rows(self, table: str, columns: str = "*", order: str = "slug") -> list[Any]:
        async with self.engine.connect() as connection:
            statement = f"SELECT {columns} FROM {table} ORDER BY {order}"  # noqa: S608 - ours
            rows = await connection.execute(text(statement))
            return [tuple(row) for row in rows]
