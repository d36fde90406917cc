"""What import-linter cannot hold: the root of the checkout, who reads the settings, and what channels are called."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.product import PRODUCT, ROOT, python_files

ROOMS = (*PRODUCT, "workflows", "bench", "deploy", "local", "tests")
IMPORTED_BY_ROOT = {
    "settings.py": {"runtime"},
    "cli.py": {"commands", "runtime"},
    "worker.py": {"activities", "channels", "contracts", "db", "runtime", "settings", "temporal", "texts", "workflows"},
}

READ_SETTINGS = ("activities", "api", "commands", "temporal", "channels", "csv_import")
"""Whole rooms that may. Of `channels` only what does I/O: its base names the type, its registry and the plans are for
workflows."""
READ_SETTINGS_TOO = {"db/engine.py", "db/migrate.py"}
PURE_CHANNEL_FILES = {"registry.py", "plan.py"}

NAMES = {"email": "e-?mail|smtp", "telegram": "telegram"}
"""By channel: what it and its codes are called."""
NAMES_A_CHANNEL = {
    channel: re.compile(
        rf"""
        \W* (send_)? ({names}) [\W_]*  # all of a text, as "Email".lower() or .startswith("smtp_") need it
        | .* ['"] ({names}) [_%]* ['"] .*  # quoted in a text, as SQL does
        """,
        re.VERBOSE | re.IGNORECASE | re.DOTALL,
    )
    for channel, names in NAMES.items()
}
MAY_NAME_CHANNELS = {
    "contracts/sending.py": "payloads of 0.3.0, and the fallback that replay needs",
    "api/requests.py": "an example in a field's description",
    "db/items/imports.py": "the columns of the CSV",
}
"""Files with a text that is a channel's name or begins its codes, however spelled, each with its reason. A channel's
own folder is not among them: it may name itself."""
MAY_IMPORT_A_CHANNEL = {
    "channels/registry.py": "the one line of each",
    "api/authentication.py": "the page that a mail's link leads to needs no key",
    "api/unsubscribe.py": "only mails bear a link to unsubscribe",
    "commands/bounces.py": "only mails come back",
}
"""Files outside of a channel's folder that import from it, each with its reason."""
MAY_TAKE_APART = {
    "contracts/sending.py": "payloads of 0.3.0 have a field for each",
    "contracts/scanning.py": "payloads of 0.3.0 have a field for Telegram's fairness",
    "db/record/startable.py": "payloads of 0.3.0 have a field for Telegram's fairness",
    "api/requests.py": "`email` and `chat_id` of POST /notifications/test",
    "commands/cli/sending.py": "a preview shows the mail where no channel is named",
    "commands/preview.py": "the sample is a mail",
}
"""Files that tell the members of `ALWAYS_DELIVERED` apart by their place, each with its reason."""


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_the_root_holds_entry_points_only() -> None:
    assert {file.name for file in ROOT.glob("*.py")} == set(IMPORTED_BY_ROOT)


@pytest.mark.parametrize("name", IMPORTED_BY_ROOT)
def test_an_entry_point_imports_its_rooms_and_no_others(name: str) -> None:
    rooms = {module.partition(".")[0] for module in imported(ROOT / name)} & {*ROOMS, "settings", "worker", "cli"}
    assert rooms <= IMPORTED_BY_ROOT[name]


def test_nobody_imports_an_entry_point() -> None:
    importers = [
        file.relative_to(ROOT).as_posix()
        for file in python_files(*PRODUCT, "workflows", "local")
        if {"worker", "cli"} & set(imported(file))
    ]
    assert importers == []


def test_settings_are_read_where_decisions_and_connections_are_made() -> None:
    readers = [file for file in python_files(*PRODUCT, "workflows") if "settings" in imported(file)]
    surprising = [
        file
        for file in (reader.relative_to(ROOT) for reader in readers)
        if file.as_posix() not in READ_SETTINGS_TOO
        and (file.parts[0] not in READ_SETTINGS or (file.parts[0] == "channels" and file.name in PURE_CHANNEL_FILES))
    ]
    assert surprising == []


def test_every_package_is_only_a_folder() -> None:
    assert [
        file for file in python_files(*ROOMS) if file.name == "__init__.py" and file.read_text(encoding="utf-8")
    ] == []


def product_trees() -> Iterator[tuple[str, ast.Module]]:
    """All but the migrations, which are never edited, and the settings, whose names are longer than a channel's."""
    for file in [*python_files(*PRODUCT, "workflows"), ROOT / "cli.py", ROOT / "worker.py"]:
        if "migrations" not in file.parts:
            yield file.relative_to(ROOT).as_posix(), ast.parse(file.read_text(encoding="utf-8"))


def docstrings(tree: ast.Module) -> set[int]:
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def names_a_channel(tree: ast.Module, channel: str) -> bool:
    """Parts of f-strings are texts too."""
    described = docstrings(tree)
    return any(
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in described
        and NAMES_A_CHANNEL[channel].fullmatch(node.value)
        for node in ast.walk(tree)
    )


def takes_apart(tree: ast.Module) -> bool:
    """`ALWAYS_DELIVERED[0]`, `email, telegram = … ALWAYS_DELIVERED …`, `zip(ALWAYS_DELIVERED, …)`."""

    def mentions(node: ast.AST) -> bool:
        return any(isinstance(each, ast.Name) and each.id == "ALWAYS_DELIVERED" for each in ast.walk(node))

    def tells_apart(node: ast.AST) -> bool:
        match node:
            case ast.Subscript(value=ast.Name(id="ALWAYS_DELIVERED")):
                return True
            case ast.Assign(targets=[ast.Tuple()], value=value):
                return mentions(value)
            case ast.Call(func=ast.Name(id="zip" | "enumerate"), args=arguments):
                return any(mentions(each) for each in arguments)
            case _:
                return False

    return any(tells_apart(node) for node in ast.walk(tree))


def test_no_code_knows_email_and_telegram_as_two_named_things() -> None:
    """But the flat record, the CSV's columns and the settings, whose names are longer."""
    naming = {
        name
        for name, tree in product_trees()
        for channel in NAMES
        if names_a_channel(tree, channel) and not name.startswith(f"channels/{channel}/")
    }
    assert naming == MAY_NAME_CHANNELS.keys()


def test_no_code_outside_of_a_channels_folder_imports_from_it() -> None:
    importing = {
        name
        for name, _ in product_trees()
        for module in imported(ROOT / name)
        if module.startswith(("channels.email", "channels.telegram"))
        and not name.startswith("/".join(module.split(".")[:2]) + "/")
    }
    assert importing == MAY_IMPORT_A_CHANNEL.keys()


def test_no_code_tells_the_channels_of_every_notification_apart_by_their_place() -> None:
    assert {name for name, tree in product_trees() if takes_apart(tree)} == MAY_TAKE_APART.keys()


@pytest.mark.parametrize(
    "code",
    [
        'name == "email"',
        'name in ("sms", "Telegram")',
        'code.startswith("smtp_")',
        'reason == f"telegram_{status}"',
        'activity == "send_email"',
        "SQL = \"SELECT 1 FROM deliveries WHERE channel = 'email'\"",
        "SQL = \"SELECT 1 FROM problems WHERE code LIKE 'smtp_%'\"",
        'match name:\n    case "telegram":\n        pass',
    ],
)
def test_a_channels_name_is_found_however_it_is_spelled(code: str) -> None:
    assert any(names_a_channel(ast.parse(code), channel) for channel in NAMES)


@pytest.mark.parametrize(
    "code", ["name == ALWAYS_DELIVERED[1]", "email, _ = ALWAYS_DELIVERED", "dict(zip(ALWAYS_DELIVERED, addresses))"]
)
def test_a_channels_place_is_found(code: str) -> None:
    assert takes_apart(ast.parse(code))
