"""No pattern of the product takes more than linear time, whatever it is given.

Each is searched for in long hostile texts. A quadratic one would need minutes for a single text, and the run's time-out
would end it.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator

import pytest

from channels.configured import scrub
from tests.support.product import PRODUCT, ROOT, python_files

LENGTH = 200_000
REPEATED = (
    *("1", "a", "é", "-", ".", "_", "~", "%", "@", "\\", "<", ">", "&", '"', "'", "(", " ", "\t", "\n", "\r\n", "\0"),
    *("1:", "-1", "1-", "a.", ".a", "a@", "a-", "-a1", "%40", "<a", "</a", "<a '", '<a "', '<a b="c"', "&#1", "&amp"),
    *("=?a?q?", "=?", "\\\\", '\\"', '"a', "\n ", " \n", "<a@", "5.1.", "550 ", "relay", "sender ", "00:00-", "bot1:"),
    *("/unsubscribe/", "u0000", "\\u0000", "aa-", "message quota", "1,", "+1d"),
)
"""Texts that a pattern may begin to match at every place."""
ENDS = ("!", "@")


def compiled() -> Iterator[tuple[str, re.Pattern[str]]]:
    """All patterns of strings that a module of the product keeps, and those that a call has in place."""
    for file in python_files(*PRODUCT, "workflows"):
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) in ("re.match", "re.search", "re.fullmatch", "re.sub", "re.split")
                and isinstance(node.args[0], ast.Constant)
            ):
                yield f"{name}:{node.lineno}", re.compile(str(node.args[0].value))
        if name.endswith("__main__") or name == "db.migrations.env" or ".versions." in name:
            continue
        for variable, value in vars(importlib.import_module(name)).items():
            if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                yield f"{name}.{variable}", value


PATTERNS = dict(compiled())


def hostile() -> Iterator[str]:
    for repeated in REPEATED:
        for end in ENDS:
            yield repeated * (LENGTH // len(repeated)) + end


def test_the_patterns_are_found() -> None:
    assert {"channels.telegram.channel.BOT_TOKEN", "channels.email.masking._AT_SIGN"} <= PATTERNS.keys()
    assert len(PATTERNS) > 20


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_takes_linear_time(name: str) -> None:
    pattern = PATTERNS[name]
    for text in hostile():
        assert len(text) >= LENGTH - 20
        for _ in pattern.finditer(text):
            pass
        pattern.fullmatch(text)


def test_masking_takes_linear_time() -> None:
    for text in hostile():
        assert isinstance(scrub(text), str)
