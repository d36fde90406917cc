"""What is to be done with a block, and why a block is wrong before anything runs."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.docs.marks import NEVER_RUN, REASONS
from tests.docs.pages import Block
from tests.support.product import ROOT

SHELL = {"", "sh", "bash"}
SESSION = {"console"}
"""Commands behind `$ `, each with what it prints."""
SQL = {"sql"}
RUN = SHELL | SESSION | SQL

PARSERS: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "yaml": lambda text: list(yaml.safe_load_all(text)),
    "toml": tomllib.loads,
    "python": ast.parse,
}
"""Parts of files: nothing to run, but they must have no wrong syntax."""

SHOWN = {"text", "mermaid", "ini", "promql", "http", "html", "jinja", "csv", "diff", "nginx"}
"""Drawings, output and files of other programs."""


def is_run(block: Block) -> bool:
    return block.language in RUN and not (block.mark.reason or block.mark.is_output or unmarked_reason(block))


def unmarked_reason(block: Block) -> str:
    """Why a block that has no mark must not be run all the same."""
    text = block.text
    for word, value in block.mark.words.items():
        text = text.replace(word, value)
    return next((reason for reason in NEVER_RUN if re.search(REASONS[reason], text)), "")


def objections(block: Block) -> list[str]:
    """Sentences about a block whose language or mark is wrong."""
    mark = block.mark
    if mark.is_output:
        return [] if block.language in SHOWN else ["what a block has written is a `text` block"]
    if block.language in PARSERS:
        try:
            PARSERS[block.language](block.text)
        except (ValueError, SyntaxError, yaml.YAMLError) as error:
            return [f"is no {block.language}: {error}"]
    elif block.language not in RUN | SHOWN:
        return [f"{block.language!r} is a language that the tests do not know: see CONTRIBUTING.md"]
    if not mark.reason:
        reason = unmarked_reason(block) if block.language in RUN else ""
        return [f"would change the machine: mark it `<!-- not run: {reason} -->`"] if reason else []
    if block.language not in RUN:
        return ["is marked, and would not be run anyway: remove the mark"]
    if mark.test:
        file, function = mark.test
        return [] if function in functions_in(ROOT / file) else [f"there is no test {file}::{function}"]
    if not re.search(REASONS[mark.reason], block.text):
        return [f"nothing in it {mark.reason}: remove the mark, or name the true reason"]
    return []


def functions_in(file: Path) -> set[str]:
    """The test functions of a file; none if there is no such file."""
    if not file.is_file():
        return set()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
