"""The pages that people read, and what a test needs of them: their blocks, links and names."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.docs.marks import Mark, MarkError, parse_mark
from tests.support.product import ROOT

FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[\w+-]*)\s*$")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`]+)`")


class PageError(ValueError):
    """A page is not written as CONTRIBUTING.md says. The message begins with file and line."""


@dataclass(frozen=True)
class Block:
    """A fenced block, without its fences and its indentation."""

    page: Path
    line: int
    """Of its first fence, counted from 1."""
    language: str
    text: str
    mark: Mark

    @property
    def place(self) -> str:
        return f"{_shown(self.page)}:{self.line}"


def pages() -> list[Path]:
    """README.md and its like at the root, and all of docs/."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks_of(page: Path) -> list[Block]:
    """Raises PageError if a fence is not closed or a mark cannot be read."""
    lines = page.read_text(encoding="utf-8").splitlines()
    blocks: list[Block] = []
    opened: tuple[int, str, str] | None = None
    for number, line in enumerate(lines):
        match = FENCE.match(line)
        if match is None or (opened is not None and match["language"]):
            continue
        if opened is None:
            opened = number, match["language"], match["indent"]
            continue
        start, language, _ = opened
        text = textwrap.dedent("\n".join(lines[start + 1 : number]))
        place = f"{_shown(page)}:{start + 1}"
        try:
            mark = parse_mark(_comment_before(lines, start))
        except MarkError as error:
            raise PageError(f"{place}: {error}") from None
        blocks.append(Block(page, start + 1, language, text, mark))
        opened = None
    if opened is not None:
        raise PageError(f"{_shown(page)}:{opened[0] + 1}: the block has no end")
    return blocks


def _shown(page: Path) -> str:
    return str(page.relative_to(ROOT)) if page.is_relative_to(ROOT) else page.name


def _comment_before(lines: list[str], number: int) -> str:
    """The HTML comment that ends right above a line; empty if there is none."""
    end = number - 1
    if end < 0 or not lines[end].rstrip().endswith("-->"):
        return ""
    start = next((at for at in range(end, -1, -1) if "<!--" in lines[at]), end)
    whole = " ".join(line.strip() for line in lines[start : end + 1])
    return whole.partition("<!--")[2].rpartition("-->")[0].strip()


def prose_of(page: Path) -> list[tuple[int, str]]:
    """The numbered lines outside of blocks."""
    inside = False
    found = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if FENCE.match(line):
            inside = not inside
        elif not inside:
            found.append((number, line))
    return found


def paragraphs_of(page: Path) -> Iterator[tuple[int, str]]:
    """Paragraphs and rows of tables as one line each, with the number of their first line."""
    start, paragraph = 0, ""
    for number, line in [*prose_of(page), (0, "")]:
        if line.strip() and not line.startswith("|"):
            start, paragraph = start or number, f"{paragraph} {line.strip()}".strip()
            continue
        yield from ((at, text) for at, text in ((start, paragraph), (number, line)) if text)
        start, paragraph = 0, ""


def code_spans(page: Path) -> Iterator[tuple[int, str]]:
    """What stands between backticks."""
    return ((number, span) for number, text in paragraphs_of(page) for span in CODE.findall(text))


def links_of(page: Path) -> Iterator[tuple[int, str]]:
    return ((number, link) for number, text in paragraphs_of(page) for link in LINK.findall(CODE.sub("", text)))


def anchors_of(page: Path) -> set[str]:
    """The anchors that a page's headings have on GitHub."""
    anchors: set[str] = set()
    for _, line in prose_of(page):
        if match := HEADING.match(line):
            plain = re.sub(r"[`*]|\]\([^)]*\)", "", match[1]).replace("[", "")
            anchor = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
            again = next(n for n in range(1000) if (f"{anchor}-{n}" if n else anchor) not in anchors)
            anchors.add(f"{anchor}-{again}" if again else anchor)
    return anchors
