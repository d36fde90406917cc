"""What the pages say without being run: kinds of blocks, marks, names and links."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.kinds import RUN, objections
from tests.docs.names import SETTING, is_known_setting, wrong_names
from tests.docs.pages import anchors_of, blocks_of, code_spans, links_of, pages
from tests.support.product import ROOT

HISTORY = ROOT / "CHANGELOG.md"
"""It names what past releases had."""


def _each(of: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", of, ids=[str(page.relative_to(ROOT)) for page in of])


each_page = _each(pages())
each_page_of_today = _each([page for page in pages() if page != HISTORY])


@each_page
def test_each_block_is_run_or_says_why_not(page: Path) -> None:
    assert [f"{block.place}: {wrong}" for block in blocks_of(page) for wrong in objections(block)] == []


@each_page_of_today
def test_what_a_command_names_exists(page: Path) -> None:
    blocks = [(block.line, block.text) for block in blocks_of(page) if block.language in RUN]
    said = [*blocks, *code_spans(page)]
    assert [f"{page.name}:{line}: {wrong}" for line, text in said for wrong in wrong_names(text)] == []


@each_page_of_today
def test_settings_that_it_names_exist(page: Path) -> None:
    named = [(line, span) for line, span in code_spans(page) if SETTING.match(span)]
    assert [f"{page.name}:{line}: {name}" for line, name in named if not is_known_setting(name)] == []


@each_page
def test_its_links_lead_somewhere(page: Path) -> None:
    wrong = []
    for line, link in links_of(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            wrong.append(f"{page.name}:{line}: {link}")
    assert wrong == []
