"""The units of systemd against the programs that they start. What systemd itself says of them: tests/deploy."""

from __future__ import annotations

import importlib.util
import shlex
from datetime import timedelta

import pytest

import api.__main__
import worker
from settings import SECRETS, Settings
from tests.support.product import ROOT
from tests.support.secrets_used import SECRETS_USED
from tests.support.systemd_units import API_KEY, CONFIGURATION, OWNER, RELEASES, SERVICES, TELEGRAM, UNITS, Unit, parsed

services = pytest.mark.parametrize("program", SERVICES)
STAYS = ("worker", "api")
PYTHON = f"{RELEASES}/%i/.venv/bin/python"
VARIABLES = {"ARGUMENTS", "BOUNCES_MAILDIR", "STATE_DIRECTORY"}
"""What the units hand over themselves, and systemd's own."""


def service(program: str) -> dict[str, list[str]]:
    return dict(parsed(SERVICES[program])["Service"])


def environment(unit: Unit) -> dict[str, str]:
    return dict(each.split("=", 1) for each in unit["Service"].get("Environment", []))


def test_each_program_has_a_unit() -> None:
    assert set(SERVICES) == set(SECRETS_USED)


@services
def test_it_runs_a_program_of_its_release(program: str) -> None:
    [command] = service(program)["ExecStart"]
    assert service(program)["WorkingDirectory"] == [f"{RELEASES}/%i"]
    python, first, *rest = shlex.split(command)
    assert python == PYTHON
    if first == "-m":
        assert importlib.util.find_spec(rest[0])
    else:
        assert (ROOT / first).is_file()
    assert {word.strip("${}") for word in rest if "$" in word} <= VARIABLES


@services
def test_its_variables_are_settings(program: str) -> None:
    known = {name.upper() for name in Settings.model_fields} | VARIABLES
    assert set(environment(parsed(SERVICES[program]))) <= known


@services
def test_it_has_the_secrets_that_it_uses_as_credentials_and_no_others(program: str) -> None:
    units = [parsed(SERVICES[program])] + ([parsed(TELEGRAM)] if program == "worker" else [])
    credentials = dict(each.split(":", 1) for unit in units for each in unit["Service"].get("LoadCredential", []))
    assert set(credentials) == SECRETS_USED[program]
    assert credentials == {name: f"{CONFIGURATION}/secrets/{name}" for name in credentials}
    variables = {name: value for unit in units for name, value in environment(unit).items()}
    assert {f"{name.upper()}_FILE": f"%d/{name}" for name in credentials}.items() <= variables.items()
    assert not {secret.upper() for secret in SECRETS} & set(variables)


@services
def test_what_stays_starts_again_for_ever_unless_a_setting_is_wrong(program: str) -> None:
    unit, section = parsed(SERVICES[program]), service(program)
    if program in STAYS:
        assert (section["Restart"], section["RestartPreventExitStatus"]) == (["always"], ["2"])
        assert unit["Unit"]["StartLimitIntervalSec"] == ["0"]
        assert unit["Install"] == {"WantedBy": ["multi-user.target"]}
    else:
        assert section["Type"] == ["oneshot"]
        assert section["TimeoutStartSec"]
        assert "Install" not in unit


@pytest.mark.parametrize(("file", "secret"), [(TELEGRAM, "telegram_bot_token"), (API_KEY, "temporal_api_key")])
def test_a_drop_in_adds_one_secret(file: str, secret: str) -> None:
    unit = parsed(file)
    assert secret in SECRETS
    assert unit == {
        "Service": {
            "LoadCredential": [f"{secret}:{CONFIGURATION}/secrets/{secret}"],
            "Environment": [f"{secret.upper()}_FILE=%d/{secret}"],
        }
    }


def test_a_drop_in_gives_the_migration_another_role() -> None:
    assert parsed(OWNER) == {
        "Service": {
            "LoadCredential": [f"database_owner_url:{CONFIGURATION}/secrets/database_owner_url"],
            "Environment": ["DATABASE_URL_FILE=%d/database_owner_url"],
        }
    }


def test_a_stop_waits_for_what_is_being_sent() -> None:
    margin = timedelta(seconds=5)
    stop = {program: timedelta(seconds=int(service(program)["TimeoutStopSec"][0])) for program in STAYS}
    assert stop["worker"] >= worker.GRACEFUL_SHUTDOWN + margin
    assert stop["api"] >= timedelta(seconds=api.__main__.DRAIN_SECONDS) + margin


def test_the_api_may_open_the_files_that_its_connections_need() -> None:
    assert int(service("api")["LimitNOFILE"][0]) > 2 * Settings.model_fields["api_max_connections"].default


@services
def test_it_is_bounded_and_may_change_nothing(program: str) -> None:
    section = service(program)
    assert section["User"] == ["expiry"]
    for key in ("MemoryMax", "TasksMax"):
        assert section[key]
    for key, value in {
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "CapabilityBoundingSet": "",
    }.items():
        assert section[key] == [value]


def test_each_timer_has_its_service() -> None:
    timers = [name for name in UNITS if name.endswith(".timer")]
    assert [name.replace(".timer", ".service") for name in timers] == [SERVICES["backup"], SERVICES["bounces"]]
    for name in timers:
        unit = parsed(name)
        assert unit["Install"] == {"WantedBy": ["timers.target"]}
        assert unit["Timer"]["OnCalendar"]
