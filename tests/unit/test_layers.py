"""What import-linter cannot hold: the root of the checkout, who reads the settings, and what channels are called."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.product import PRODUCT, ROOT, python_files

ROOMS = (*PRODUCT, "workflows", "bench", "deploy", "local", "tests")
IMPORTED_BY_ROOT = {
    "settings.py": set(),
    "cli.py": {"channels", "commands", "contracts", "csv_import", "db", "runtime"},
    "worker.py": {"activities", "channels", "contracts", "db", "runtime", "settings", "temporal", "texts", "workflows"},
}

READ_SETTINGS = ("activities", "api", "commands", "temporal", "channels", "csv_import")
"""Whole rooms that may. Of `channels` only what does I/O: its base names the type, its registry and the plans are for
workflows."""
READ_SETTINGS_TOO = {"db/engine.py", "db/migrate.py"}
PURE_CHANNEL_FILES = {"registry.py", "plan.py"}

NAMES_OF_CHANNELS = {"email", "telegram"}
MAY_NAME_CHANNELS = {
    "contracts/sending.py": "payloads of 0.3.0, and the fallback that replay needs",
    "channels/email/plan.py": "the channel itself",
    "channels/telegram/plan.py": "the channel itself",
}
"""Files with the literals `'email'` or `'telegram'`, each with its reason."""


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_the_root_holds_entry_points_only() -> None:
    assert {file.name for file in ROOT.glob("*.py")} == set(IMPORTED_BY_ROOT)


@pytest.mark.parametrize("name", IMPORTED_BY_ROOT)
def test_an_entry_point_imports_its_rooms_and_no_others(name: str) -> None:
    rooms = {module.partition(".")[0] for module in imported(ROOT / name)} & {*ROOMS, "settings", "worker", "cli"}
    assert rooms <= IMPORTED_BY_ROOT[name]


def test_nobody_imports_an_entry_point() -> None:
    importers = [
        file.relative_to(ROOT).as_posix()
        for file in python_files(*PRODUCT, "workflows", "local")
        if {"worker", "cli"} & set(imported(file))
    ]
    assert importers == []


def test_settings_are_read_where_decisions_and_connections_are_made() -> None:
    readers = [file for file in python_files(*PRODUCT, "workflows") if "settings" in imported(file)]
    surprising = [
        file
        for file in (reader.relative_to(ROOT) for reader in readers)
        if file.as_posix() not in READ_SETTINGS_TOO
        and (file.parts[0] not in READ_SETTINGS or (file.parts[0] == "channels" and file.name in PURE_CHANNEL_FILES))
    ]
    assert surprising == []


def test_every_package_is_only_a_folder() -> None:
    assert [
        file for file in python_files(*ROOMS) if file.name == "__init__.py" and file.read_text(encoding="utf-8")
    ] == []


def test_no_code_knows_email_and_telegram_as_two_named_things() -> None:
    """But the flat record, the CSV's columns and the settings, whose names are longer."""
    naming: dict[str, set[str]] = {}
    for file in python_files(*PRODUCT, "workflows"):
        if "migrations" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and node.value in NAMES_OF_CHANNELS:
                naming.setdefault(file.relative_to(ROOT).as_posix(), set()).add(str(node.value))
    assert naming.keys() == MAY_NAME_CHANNELS.keys()
