import asyncio
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from dotenv import dotenv_values
from temporalio.envconfig import ClientConfigProfile

from channels.configured import require_a_channel
from deploy.env_example import FILE, as_text, env_example
from settings import SECRETS, Settings

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
    settings = loaded(monkeypatch, parsed(UNCOMMENTED))
    for name, field in Settings.model_fields.items():
        if ENTRIES[name.upper()].commented:
            assert getattr(settings, name) == field.default


def test_with_nothing_changed_it_is_valid_and_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = parsed(TEXT)
    settings = loaded(monkeypatch, environment)
    require_a_channel(settings)
    assert settings.database()
    assert settings.secret("api_keys")
    assert environment["TEMPORAL_ADDRESS"], "the SDK has no default for it"


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
