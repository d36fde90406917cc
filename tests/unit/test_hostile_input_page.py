"""The page of hostile input names tests and decisions that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "hostile-input.md"
TEXT = PAGE.read_text(encoding="utf-8")
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith(("| Kind ", "| --- "))]
CITED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def functions_in(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize(("file", "test"), sorted(set(CITED.findall(TEXT))))
def test_a_test_that_it_cites_exists(file: str, test: str) -> None:
    assert test in functions_in(ROOT / file)


def test_every_row_has_four_columns_and_cites_nothing_but_tests_in_the_last() -> None:
    assert ROWS
    for row in ROWS:
        _, *columns, _ = (column.strip() for column in re.split(r"(?<!\\)\|", row))
        assert len(columns) == 4, row
        assert all(columns[:3]), row
        assert all(CITED.fullmatch(cited) for cited in columns[3].split("<br>")), row


def test_every_decision_that_it_names_exists() -> None:
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert links
    assert [link for link in links if not (PAGE.parent / link).is_file()] == []
