"""A member added to an enum is a question that the type checker asks wherever the enum decides."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.product import PRODUCT, ROOT

ROOMS = (*PRODUCT, "workflows", "local")
ENTRY_POINTS = ("cli.py", "settings.py", "worker.py")

DECIDED_IN = {
    "NotificationType": {
        "channels/email/sender.py",
        "texts/renderer.py",
        "commands/preview.py",
        "contracts/in_words.py",
        "contracts/keys.py",
        "workflows/summaries.py",
    },
    "NotificationStatus": {"contracts/in_words.py", "contracts/sending.py"},
    "DeliveryStatus": {
        "commands/decidable.py",
        "contracts/in_words.py",
        "contracts/sending.py",
        "db/record/bounced.py",
        "db/record/said.py",
        "local/demo/comparison.py",
    },
    "Reason": {"activities/reason_classes.py", "contracts/in_words.py", "db/record/said.py"},
    "ProjectStatus": {"commands/renewing.py", "db/items/renew.py", "db/items/renew_content.py"},
    "NoNotice": {"commands/untold.py"},
    "Result": {"commands/bounces.py"},
    "Stage": {"channels/email/smtp_replies.py"},
    "Fault": {"channels/email/smtp_replies.py"},
    "NoReply": {"channels/email/smtp_replies.py"},
    "NoAnswer": {"channels/telegram/replies.py"},
    "Trouble": {"activities/faults.py"},
    "SmtpTls": {"channels/email/smtp_provider.py", "settings.py"},
    "Item": {"commands/preview.py"},
    "Part": {"commands/preview.py"},
}
DECIDES_NOTHING = {
    "Flag": "any of them marks a message as seen",
    "Attempted": "each is the value of a label",
    "Cause": "each is the value of a label",
    "ReasonClass": "each is the value of a label",
    "Shell": "a table has the script of each",
    "State": "each is a word of a report, and a table has its colour",
    "EndedBy": "each makes a list of reasons for SQL",
}

_NOT_DECIDED = re.compile(r'^(?P<file>[^:]+):\d+: error: .*"assert_never" .*\b(?P<enum>\w+)\.ADDED\b')


def enums(tree: ast.Module) -> Iterator[ast.ClassDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("Enum") for base in node.bases):
            yield node


def add_members(folder: Path) -> set[str]:
    """Gives each enum of the copy one member more. Returns the enums' names."""
    names = set()
    for file in folder.rglob("*.py"):
        source = file.read_text(encoding="utf-8")
        lines = source.splitlines()
        for found in sorted(enums(ast.parse(source)), key=lambda each: -each.lineno):
            lines.insert(found.end_lineno or 0, f'{" " * found.body[0].col_offset}ADDED = "added"')
            names.add(found.name)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return names


def copy_of_the_product(folder: Path) -> None:
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / room, ignore=lambda _, names: [n for n in names if n == "__pycache__"])
    for name in ENTRY_POINTS:
        shutil.copy(ROOT / name, folder)


@pytest.fixture(scope="module")
def widened(tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], dict[str, set[str]]]:
    """The enums, and where mypy asks what is to become of a further member of each."""
    folder = tmp_path_factory.mktemp("widened")
    copy_of_the_product(folder)
    names = add_members(folder)
    # Without other people's packages, whose types decide nothing here: they take most of the time.
    command = [sys.executable, "-m", "mypy", "--config-file=", f"--cache-dir={os.devnull}", "--no-error-summary"]
    command += ["--explicit-package-bases", "--follow-imports=skip", "--ignore-missing-imports", "."]
    checked = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    shutil.rmtree(folder)
    assert checked.returncode == 1, checked.stdout + checked.stderr
    places: dict[str, set[str]] = defaultdict(set)
    for line in checked.stdout.splitlines():
        if found := _NOT_DECIDED.match(line):
            places[found["enum"]].add(found["file"])
    return names, places


def test_every_enum_decides_or_says_why_not(widened: tuple[set[str], dict[str, set[str]]]) -> None:
    names, _ = widened
    assert names == DECIDED_IN.keys() | DECIDES_NOTHING.keys()


@pytest.mark.parametrize("enum", DECIDED_IN)
def test_the_type_checker_names_the_places(widened: tuple[set[str], dict[str, set[str]]], enum: str) -> None:
    _, places = widened
    assert DECIDED_IN[enum] <= places[enum]
