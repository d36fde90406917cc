"""What SQL compares with and writes are members of the enums, letter by letter."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from enum import StrEnum

import pytest

from contracts.keys import NotificationType
from contracts.sending import DeliveryStatus, NotificationStatus, Reason
from db.items.untold import NoNotice
from db.models import ProjectStatus
from db.record.waiting import Cause
from tests.support.product import PRODUCT, ROOT, python_files

SETTLED = "settled"
"""A claim's obstacle that is no reason: the delivery has ended, and its own reason stands."""

ELSE = {
    "import": "the source of a contact",
    "email": "a column of companies.csv",
    "telegram": "likewise",
    **dict.fromkeys(("attempt", "at", "reply"), "a member of a JSON object"),
    "en": "the language of who has none",
    "UTC": "the zone of who has none",
    "epoch": "a moment to try a zone with",
    "infinity": "until an operator resumes",
    "alembic_version": "Alembic's table",
    "pg_class": "PostgreSQL's own table",
    "year": "the begin of a year, for its summer time",
    **dict.fromkeys(("localtime", "posixrules", "Factory"), "a time zone that is no place"),
    "renew": "an operator's action",
    "unsuppress": "an operator's action",
    "erase": "an operator's action",
    **dict.fromkeys(("company", "item"), "whose name it is that an erasure looks for"),
    "hex": "how bytes are written",
    **dict.fromkeys(("statement_timeout", "lock_timeout"), "a setting of PostgreSQL"),
    SETTLED: "a claim's obstacle",
    **dict.fromkeys(("_recipient", "_recipient_key"), "what a channel's name begins, in the metadata"),
    **dict.fromkeys(
        (
            "address",
            "channel",
            "created_at",
            "delivery_id",
            *("ar_content", "body", "body_html", "html", "subject", "text"),
            "locale",
            "problem",
            "reason",
            "reconstructed_at",
            "reopened",
        ),
        "a key of JSON",
    ),
}
"""Words in SQL that are no enum's."""

COLUMNS: dict[str, set[str]] = {
    "notification_type": {*NotificationType},
    "status": {*NotificationStatus, *DeliveryStatus, *ProjectStatus},
    "reason": {*Reason},
}
ALIASES: dict[str, set[str]] = {
    "obstacle": {*Reason, SETTLED},
    "hold": {*Reason},
    "why": {*NoNotice},
    "cause": {*Cause},
}

_LITERAL = re.compile(r"'([^']*)'")
_WORDS = re.compile(r"[A-Za-z_][A-Za-z_ ]*")


def statements() -> list[str]:
    """Every text in `db` that is no docstring; what an f-string puts in stands elsewhere and is left out."""
    found: list[str] = []
    for file in python_files("db"):
        if "migrations" not in file.parts:
            found += _texts(ast.parse(file.read_text(encoding="utf-8")))
    return [each for each in found if "'" in each]


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                pass
            case ast.JoinedStr(values=parts):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)
            case ast.Constant(value=str() as text):
                yield text
            case _:
                yield from _texts(node)


STATEMENTS = statements()


def compared_with(column: str) -> set[str]:
    """The literals beside the column: compared with it, or written to it, by a CASE as well."""
    beside = re.compile(rf"\b{column}\s*(?:=|<>|IS (?:NOT )?DISTINCT FROM)\s*'([^']*)'")
    listed = re.compile(rf"\b{column}\s+(?:NOT )?IN\s*\(((?:\s*'[^']*'\s*,?)+)\)")
    by_case = re.compile(rf"\b{column}\s*=\s*(CASE\b.*?\bEND\b)", re.DOTALL)
    found: set[str] = set()
    for statement in STATEMENTS:
        found.update(beside.findall(statement))
        for inside in listed.findall(statement):
            found.update(_LITERAL.findall(inside))
        for inside in by_case.findall(statement):
            found.update(re.findall(r"\b(?:THEN|ELSE)\s+'([^']*)'", inside))
    return found


def chosen_as(alias: str) -> set[str]:
    """The literals that a CASE of this name answers with."""
    found: set[str] = set()
    for statement in STATEMENTS:
        for before in re.findall(rf"^(.*)\bEND AS {alias}\b", statement, re.DOTALL):
            found.update(re.findall(r"\b(?:THEN|ELSE)\s+'([^']*)'", before[before.rindex("CASE") :]))
    return found


@pytest.mark.parametrize("column", COLUMNS)
def test_what_a_column_is_compared_with_it_can_hold(column: str) -> None:
    found = compared_with(column)
    assert found
    assert found <= COLUMNS[column]


@pytest.mark.parametrize("alias", ALIASES)
def test_what_a_case_answers_is_known(alias: str) -> None:
    found = chosen_as(alias)
    assert found
    assert found <= ALIASES[alias]


def test_every_word_in_sql_is_a_member_or_has_its_reason() -> None:
    members: set[str] = {
        *(*NotificationType, *NotificationStatus, *DeliveryStatus, *ProjectStatus),
        *(*Reason, *NoNotice, *Cause),
    }
    words = {word for statement in STATEMENTS for word in _LITERAL.findall(statement) if _WORDS.fullmatch(word)}
    assert words - members == ELSE.keys()


DECIDES_ALL = ROOT / "db/record/said.py"
"""Names every reason, so it shows of none that a delivery ever ends so."""


def used_in_python(enum: type[StrEnum]) -> set[str]:
    return {
        enum[node.attr]
        for file in python_files(*PRODUCT, "workflows")
        if file != DECIDES_ALL
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == enum.__name__
        and node.attr in enum.__members__
    }


def test_every_reason_is_used() -> None:
    in_sql = compared_with("reason") | chosen_as("obstacle") | chosen_as("hold")
    assert used_in_python(Reason) | in_sql >= {*Reason}
