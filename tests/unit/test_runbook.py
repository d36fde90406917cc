"""The runbook names alerts, codes and tests that exist, and each incident says all that an operator needs."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from channels.registry import find_plan, names
from tests.support.product import PRODUCT, ROOT, python_files

PAGE = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
INCIDENTS = re.findall(r"^## (\d+)\. [^\n]*\n(.*?)(?=^## )", PAGE, re.MULTILINE | re.DOTALL)
LABELS = ["**How it shows.**", "**Where to look.**", "**What to do.**", "**It is over**"]
CITED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
CODE = re.compile(r"^[a-z]+_[a-z0-9_]+(\.[\w<>-]+)?$")
VARIES = re.compile(
    r"^(E-mail|Telegram|The mail server)|scan-expiring|telegram(?= for a time)|telegram_\d+|items end or have(?= ended)"
)
"""What a quoted subject has where the code has a placeholder."""

each_incident = pytest.mark.parametrize(("number", "text"), INCIDENTS, ids=[number for number, _ in INCIDENTS])


def test_there_are_at_least_twelve_in_order() -> None:
    numbers = [int(number) for number, _ in INCIDENTS]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 12


@each_incident
def test_an_incident_says_how_it_shows_where_to_look_what_to_do_and_when_it_is_over(number: str, text: str) -> None:
    assert [label for label in LABELS if text.count(label) != 1] == []
    assert [text.index(label) for label in LABELS] == sorted(text.index(label) for label in LABELS)


@each_incident
def test_what_it_quotes_is_said_by_the_code(number: str, text: str) -> None:
    quoted = [" ".join(each.split()) for each in re.findall(r'(?<!`)"([^"`]+)"(?!`)', _prose(text))]
    assert [each for each in quoted if not _is_said(each.removeprefix("Over: "))] == []


@each_incident
def test_its_codes_exist(number: str, text: str) -> None:
    codes = {span for span in re.findall(r"`([^`]+)`", _prose(text)) if CODE.match(span)}
    assert sorted(code for code in codes if not _is_known(code)) == []


def test_each_was_tried_by_tests_that_exist() -> None:
    rows = dict(re.findall(r"^\| (\d+) \| (.*) \|$", PAGE, re.MULTILINE))
    assert list(rows) == [number for number, _ in INCIDENTS]
    for cited in (each for row in rows.values() for each in row.split("<br>")):
        match = CITED.fullmatch(cited)
        assert match, cited
        tree = ast.parse((ROOT / match[1]).read_text(encoding="utf-8"))
        assert match[2] in {node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)}


def _prose(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def _is_said(quote: str) -> bool:
    parts = VARIES.sub("...", quote).split("...")
    pattern = re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
    return any(pattern.search(said) for said in _literals(*PRODUCT))


def _is_known(code: str) -> bool:
    """A text of the code, a health probe's code with its placeholders filled, or a provider's code with a meaning."""
    return (
        code in _literals(*PRODUCT)
        or any(re.fullmatch(re.escape(said).replace("§", "[^.]+"), code) for said in _health_codes())
        or any((plan := find_plan(name)) and plan.explain(code) for name in names())
    )


def test_a_code_that_nothing_raises_is_found() -> None:
    assert _is_known("schedule_late.scan-expiring")
    assert _is_known("smtp_auth_535")
    assert not any(map(_is_known, ["smtp_bogus", "disks.<host>", "schedule_late"]))


def test_a_subject_that_nothing_says_is_found() -> None:
    assert _is_said("A run of scan-expiring is late")
    assert not _is_said("A run of scan-expiring is tardy")


def _health_codes() -> list[str]:
    return [said for said in _literals("activities/health") if re.fullmatch(r"[a-z_]+§?\.§", said)]


@cache
def _literals(*rooms: str) -> frozenset[str]:
    """All texts of the rooms, with `§` for what varies."""
    found = set()
    for file in python_files(*rooms):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.JoinedStr():
                    found.add("".join(str(p.value) if isinstance(p, ast.Constant) else "§" for p in node.values))
                case ast.Constant(value=str(said)):
                    found.add(re.sub(r"\{\w*\}", "§", " ".join(said.split()) if " " in said else said))
    return frozenset(found)
