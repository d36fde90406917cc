"""The product's files, for tests that read them."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("activities", "api", "channels", "commands", "contracts", "csv_import", "db", "runtime", "temporal", "texts")
"""Its rooms, but for `workflows`."""


def python_files(*rooms: str) -> list[Path]:
    return [file for room in rooms for file in sorted((ROOT / room).rglob("*.py"))]
