"""A wrong setting of Temporal is named, and no secret is quoted."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.programs import run_to_end
from settings import SettingsError
from temporal.client import connect
from tests.support.api_process import PATH
from tests.support.settings_for import REQUIRED

SECRET = "sk-of-the-tests"  # noqa: S105 - of no use elsewhere
MALFORMED = {
    "no closing quote": f'[profile.default]\napi_key = "{SECRET}\nnamespace = "x"\n',
    "a list": f'[profile.default]\napi_key = ["{SECRET}"]\n',
    "twice": f'[profile.default]\napi_key = "a"\napi_key = "{SECRET}"\n',
    "another type, which the reason itself quotes": f'[profile.default]\ntls = "{SECRET}"\n',
    "not UTF-8": f'[profile.default]\napi_key = "{SECRET}\udcff"\n',
}
PROGRAMS = (["worker.py"], ["-m", "api"], ["cli.py", "scan"], ["-m", "deploy.check_worker"])


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "temporal.toml"
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    return file


@pytest.mark.parametrize("kind", MALFORMED)
async def test_a_malformed_file_is_not_quoted(kind: str, config_file: Path) -> None:
    config_file.write_bytes(MALFORMED[kind].encode(errors="surrogateescape"))
    with pytest.raises(SettingsError, match=r"^TEMPORAL_\*: ") as error:
        await connect()
    assert SECRET not in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.__suppress_context__


@pytest.mark.parametrize("program", PROGRAMS, ids=" ".join)
async def test_every_program_names_the_file_and_its_line(program: list[str], config_file: Path) -> None:
    config_file.write_text(MALFORMED["a list"])
    ended = await run_to_end(program, environment=PATH | REQUIRED | {"TEMPORAL_CONFIG_FILE": str(config_file)})
    assert ended.status == 2
    assert "TOML parse error at line 2, column 11: correct the file that TEMPORAL_CONFIG_FILE names" in ended.err
    assert SECRET not in ended.out + ended.err
    assert ended.err.count("\n") == 1


async def test_an_api_key_is_not_sent_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_API_KEY", SECRET)
    monkeypatch.setenv("TEMPORAL_TLS", "false")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.platform.example:7233")
    with pytest.raises(SettingsError, match=r"^TEMPORAL_TLS: ") as error:
        await connect(lazy=True)
    assert SECRET not in str(error.value)
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:7233")
    await connect(lazy=True)
