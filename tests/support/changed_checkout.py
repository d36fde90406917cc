"""A copy of this checkout with changed files: the next release, or a careless change."""

from __future__ import annotations

import shutil
from pathlib import Path

from db.revision import newest_revision
from local.programs import CHECKOUT
from tests.support.product import PRODUCT
from tests.support.release import Release

ROOMS = (*PRODUCT, "workflows", "deploy")
FILES = ("worker.py", "cli.py", "settings.py", "pyproject.toml")

Changes = dict[str, list[tuple[str, str]]]
"""By a file's path: texts in it, each with what takes its place. An empty text stands for a new file's content."""


def changed_checkout(folder: Path, changes: Changes, revision: str | None = None) -> Release:
    """Copies the programs into the folder and changes them. Raises AssertionError if a text is not found."""
    for room in ROOMS:
        shutil.copytree(CHECKOUT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(CHECKOUT / name, folder / name)
    for name, replacements in changes.items():
        for old, new in replacements:
            change(folder / name, old, new)
    return Release(folder, revision or newest_revision())


def change(file: Path, old: str, new: str) -> None:
    """Replaces the text in the file; with an empty text, writes a new file."""
    content = file.read_text(encoding="utf-8") if old else ""
    assert old in content, f"{old!r} is not in {file}"
    file.write_text(content.replace(old, new) if old else new, encoding="utf-8")
