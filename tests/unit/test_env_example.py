import asyncio
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from dotenv import dotenv_values
from temporalio.envconfig import ClientConfigProfile

from api.authentication import require_keys
from channels.configured import require_to_send
from deploy.env_example import FILE, as_text, env_example
from runtime.weak_settings import PLACEHOLDER
from settings import SECRETS, Settings, SettingsError
from tests.support.settings_for import REQUIRED

ENTRY = re.compile(r"# (?P<meaning>.+)\n(?P<commented>#?)(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)\n")
ASSIGNMENT = re.compile(r"^#?([A-Z][A-Z0-9_]*)=", re.MULTILINE)
TEXT = FILE.read_text(encoding="utf-8")
UNCOMMENTED = re.sub(r"^#(?=[A-Z][A-Z0-9_]*=)", "", TEXT, flags=re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    meaning: str
    commented: bool
    value: str


ENTRIES = {
    match["name"]: Entry(match["meaning"], bool(match["commented"]), match["value"]) for match in ENTRY.finditer(TEXT)
}


def parsed(text: str) -> dict[str, str]:
    return {name: value or "" for name, value in dotenv_values(stream=io.StringIO(text)).items()}


def loaded(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings.load()


def test_it_is_what_the_settings_say() -> None:
    assert env_example() == TEXT, "run `python -m deploy.env_example`"


def test_each_setting_stands_there_once_and_nothing_unknown() -> None:
    names = ASSIGNMENT.findall(TEXT)
    assert len(names) == len(set(names)) == len(ENTRIES)
    settings = {name.upper() for name in Settings.model_fields}
    assert settings <= set(names)
    assert all(name.startswith("TEMPORAL_") for name in set(names) - settings)


@pytest.mark.parametrize("name", sorted(set(ENTRIES) - {name.upper() for name in Settings.model_fields}))
def test_temporals_own_settings_are_those_that_its_sdk_reads(name: str) -> None:
    nothing = ClientConfigProfile.load(disable_file=True, override_env_vars={})
    assert ClientConfigProfile.load(disable_file=True, override_env_vars={name: "true"}) != nothing


@pytest.mark.parametrize("name", Settings.model_fields)
def test_each_setting_has_its_meaning_and_its_default(name: str) -> None:
    field, entry = Settings.model_fields[name], ENTRIES[name.upper()]
    assert entry.meaning == field.description
    if entry.commented:
        assert parsed(f"{name.upper()}={entry.value}") == {name.upper(): as_text(field.default)}


def test_the_lines_commented_out_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch, parsed(UNCOMMENTED) | REQUIRED)
    for name, field in Settings.model_fields.items():
        if ENTRIES[name.upper()].commented:
            assert getattr(settings, name) == field.default


def test_what_it_requires_is_what_the_operators_handbook_requires() -> None:
    handbook = (FILE.parent / "docs" / "operations.md").read_text(encoding="utf-8")
    table = handbook.partition("### Required settings")[2].partition("###")[0]
    assert set(re.findall(r"^\| `([A-Z_]+)`", table, re.MULTILINE)) == set(REQUIRED) == set(parsed(TEXT))


def test_with_each_value_replaced_it_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch, REQUIRED)
    require_to_send(settings)
    require_keys(settings)
    assert settings.database()


@pytest.mark.parametrize("name", REQUIRED)
def test_no_value_starts_as_it_stands_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=rf"^{name}: .* write your own"):
        loaded(monkeypatch, REQUIRED | {name: parsed(TEXT)[name]})


def test_no_default_is_an_example() -> None:
    defaults = {name: entry.value for name, entry in ENTRIES.items() if entry.commented}
    assert not {name for name, value in defaults.items() if "example" in value or PLACEHOLDER in value}


def test_a_boolean_is_written_as_its_meaning_writes_it() -> None:
    booleans = [name.upper() for name, field in Settings.model_fields.items() if field.annotation is bool]
    assert booleans
    assert {ENTRIES[name].value for name in booleans} <= {"true", "false"}


def test_secrets_are_shown_no_real_ones() -> None:
    for name in SECRETS:
        assert not ENTRIES[name.upper()].value or "change-me" in ENTRIES[name.upper()].value


async def test_a_shell_reads_it_as_python_does(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text(UNCOMMENTED, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", 'set -a; . "$1"; exec env -0', "sh", file, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    read = dict(line.split("=", 1) for line in output.decode().split("\0") if line)
    expected = parsed(UNCOMMENTED)
    assert process.returncode == 0
    assert {name: read[name] for name in expected} == expected
