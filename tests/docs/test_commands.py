"""The commands of every page run, in the page's order, in a copy of the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.kinds import is_run
from tests.docs.pages import Block, blocks_of, pages
from tests.docs.place import place_of
from tests.support.product import ROOT
from tests.support.scene import Scene


def _to_run(page: Path) -> list[Block]:
    return [block for block in blocks_of(page) if is_run(block) or block.mark.is_output]


PAGES = [page for page in pages() if _to_run(page)]


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
async def test_the_commands_of_a_page_run(page: Path, scene: Scene, tmp_path: Path) -> None:
    blocks = _to_run(page)
    async with place_of(page, blocks, scene, tmp_path) as place:
        for block in blocks:
            await place.run(block)
