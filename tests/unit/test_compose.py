"""docker-compose.yml against the Compose Specification, and against the code that it starts.

There is no container engine where the tests run: what can be known without one is checked here.
"""

import asyncio
import json
import re
import shutil
import stat
import sys
import tomllib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from dotenv import dotenv_values
from jsonschema import Draft202012Validator

import api.__main__
import worker
from api.authentication import OPEN_PATHS, require_keys
from channels.configured import configured_channels, require_to_send
from contracts.queues import WORKFLOWS, task_queue
from local.embedded.temporal import FAIR_QUEUES
from runtime.ehlo_name import checked_ehlo_name
from settings import SECRETS, Settings, SettingsError
from tests.support.compose import (
    COMPOSE,
    MOUNTED,
    OURS,
    REQUIRED,
    SERVICES,
    MissingVariable,
    environment_of,
    interpolated,
    mounted_secrets,
    secret_files,
)
from tests.support.product import ROOT
from tests.support.secrets_used import SECRETS_USED

JOBS = {"temporal-schema", "temporal-namespace", "migrate", "schedules"}
SERVERS = {"postgresql", "temporal"}
"""What only the containers beside it may reach."""

DEFAULTS = {name.upper(): field.default for name, field in Settings.model_fields.items()}

KNOWN = {
    "postgres": {"POSTGRES_PASSWORD_FILE"},
    "temporalio/admin-tools": {
        *("SQL_PLUGIN", "SQL_HOST", "SQL_PORT", "SQL_USER"),
        *("TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"),
    },
    "temporalio/server": {
        *("DB", "DB_PORT", "POSTGRES_SEEDS", "POSTGRES_USER", "NUM_HISTORY_SHARDS", "BIND_ON_IP"),
        *("DYNAMIC_CONFIG_FILE_PATH", "TEMPORAL_ALLOW_NO_AUTH", "LOG_LEVEL"),
    },
    "temporalio/ui": {"TEMPORAL_ADDRESS", "TEMPORAL_DEFAULT_NAMESPACE"},
    "axllent/mailpit": {"MP_SMTP_BIND_ADDR"},
}
"""The variables that each image reads, of those that we use."""

services = pytest.mark.parametrize("name", SERVICES)
our_services = pytest.mark.parametrize("name", OURS)


def mounts(name: str) -> Iterator[tuple[str, str, str]]:
    """Source, target and mode of each volume."""
    for volume in SERVICES[name].get("volumes", []):
        source, target, *mode = volume.split(":")
        yield source, target, mode[0] if mode else "rw"


def in_checkout(name: str, path: str) -> Path:
    """The file of the checkout that the container sees at `path`."""
    for source, target, _ in mounts(name):
        if source.startswith("./") and Path(path).is_relative_to(target):
            return ROOT / source / Path(path).relative_to(target)
    raise AssertionError(f"{path} is not mounted in {name}")


def seconds(duration: str) -> timedelta:
    return timedelta(seconds=int(duration.removesuffix("s")))


async def run(*command: str | Path) -> int:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    return await process.wait()


def test_it_follows_the_compose_specification() -> None:
    package = find_spec("check_jsonschema")
    assert package is not None
    assert package.origin is not None
    file = Path(package.origin).parent / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(file.read_text(encoding="utf-8"))
    errors = Draft202012Validator(schema).iter_errors(COMPOSE)
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


@services
def test_the_image_is_pinned(name: str) -> None:
    image = SERVICES[name]["image"]
    assert re.fullmatch(r"[a-z/-]+:v?\d+(\.\d+){1,2}(-[a-z]+)?", image)
    assert "auto-setup" not in image


def test_our_image_bears_the_version_of_the_application() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert {service["image"] for service in OURS.values()} == {f"expiry-notifier:{version}"}


def test_temporals_tools_are_of_the_servers_version() -> None:
    versions = {service["image"].split(":")[1] for service in SERVICES.values() if "admin-tools" in service["image"]}
    assert versions == {SERVICES["temporal"]["image"].split(":")[1]}


@services
def test_what_stays_is_watched_and_what_ends_is_waited_for(name: str) -> None:
    service = SERVICES[name]
    assert ("healthcheck" in service) == (name not in JOBS)
    assert service["restart"] == ("no" if name in JOBS else "unless-stopped")
    for other, dependency in service.get("depends_on", {}).items():
        expected = "service_completed_successfully" if other in JOBS else "service_healthy"
        assert dependency == {"condition": expected}


@services
def test_its_memory_and_its_processes_are_limited(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert 64 <= service["pids_limit"] <= 512


def test_postgresql_may_start_a_process_for_each_connection() -> None:
    [most] = [word for word in SERVICES["postgresql"]["command"] if word.startswith("max_connections=")]
    assert SERVICES["postgresql"]["pids_limit"] >= int(most.removeprefix("max_connections=")) + 50


@services
def test_its_volumes_are_declared_or_in_the_checkout(name: str) -> None:
    for source, _, mode in mounts(name):
        if source.startswith("./"):
            assert (ROOT / source).exists()
            assert mode == "ro"
        else:
            assert source in COMPOSE["volumes"]


@services
def test_its_secrets_are_declared(name: str) -> None:
    assert set(mounted_secrets(name).values()) <= set(COMPOSE["secrets"])


@services
def test_its_networks_are_declared_and_the_servers_have_no_way_out(name: str) -> None:
    networks = set(SERVICES[name]["networks"])
    assert networks <= set(COMPOSE["networks"])
    assert COMPOSE["networks"]["servers"]["internal"] is True
    if name in SERVERS:
        assert networks == {"servers"}
        assert "ports" not in SERVICES[name]


@services
def test_ports_are_published_on_this_machine_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_ports_are_those_of_the_settings() -> None:
    def published(name: str) -> tuple[int, int]:
        (port,) = SERVICES[name]["ports"]
        _, outer, inner = interpolated(port, {}).split(":")
        return int(outer), int(inner)

    assert published("temporal-ui")[0] == urlsplit(DEFAULTS["TEMPORAL_UI_URL"]).port
    assert published("api")[0] == DEFAULTS["API_PORT"] == urlsplit(DEFAULTS["API_URL"]).port
    assert published("api")[1] == int(environment_of("api")["API_PORT"])
    assert SERVICES["mailpit"]["environment"]["MP_SMTP_BIND_ADDR"].split(":")[1] == str(DEFAULTS["SMTP_PORT"])


@pytest.mark.parametrize("name", sorted(set(SERVICES) - set(OURS)))
def test_its_variables_are_known_to_the_image(name: str) -> None:
    service = SERVICES[name]
    assert set(service.get("environment", {})) <= KNOWN[service["image"].split(":")[0]]


@our_services
def test_every_setting_reaches_our_containers(name: str) -> None:
    secret = {f"{each.upper()}{suffix}" for each in SECRETS for suffix in ("", "_FILE")}
    plain = set(DEFAULTS) - secret
    plain -= set() if name == "worker" else {"HEALTH_PING_URL"}  # the worker alone calls it
    assert set(SERVICES[name]["environment"]) - secret == plain | {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"}


@our_services
def test_it_has_the_secrets_that_it_uses_from_files_and_no_others(name: str) -> None:
    mounted = mounted_secrets(name)
    assert set(mounted) == SECRETS_USED[name]
    environment = environment_of(name, REQUIRED | {"TELEGRAM_BOT_TOKEN_FILE": "/run/secrets/telegram_bot_token"})
    files = {environment[f"{secret.upper()}_FILE"] for secret in SECRETS if f"{secret.upper()}_FILE" in environment}
    assert files - {"/dev/null"} == {f"{MOUNTED}/{secret}" for secret in mounted}
    assert not {secret.upper() for secret in SECRETS} & set(environment)


def test_what_owns_the_tables_may_have_a_role_of_its_own() -> None:
    """The application never sees its password, and the server makes the first role of it."""
    apart = secret_files(REQUIRED | {"DATABASE_OWNER_URL_FILE": ".secrets/owner"})
    read = {name: apart[source] for name in SERVICES if (source := mounted_secrets(name).get("database_url"))}
    assert read == dict.fromkeys(OURS, ".secrets/database_url") | dict.fromkeys(
        ("postgresql", "migrate"), ".secrets/owner"
    )
    assert secret_files()["database_owner_url"] == secret_files()["database_url"]


@pytest.fixture
async def secrets(tmp_path: Path) -> Path:
    """The folder that the script makes in a checkout of its own."""
    (tmp_path / "deploy").mkdir()
    script = shutil.copy(ROOT / "deploy" / "make-secrets.sh", tmp_path / "deploy")
    assert await run("sh", script) == 0
    return tmp_path / ".secrets"


def settings_in_container(
    monkeypatch: pytest.MonkeyPatch, secrets: Path, host: Mapping[str, str], name: str = "worker"
) -> Settings:
    """The settings of a container whose files are those of `secrets` that are mounted, and no others."""
    environment = environment_of(name, host)
    for secret in SECRETS:
        monkeypatch.delenv(f"{secret.upper()}_FILE", raising=False)
    for key, value in environment.items():
        monkeypatch.setenv(key, value.replace(MOUNTED, str(secrets)))
    for unmounted in set(SECRETS) - set(mounted_secrets(name)):
        assert str(secrets / unmounted) not in environment.values()
    return Settings.load()


def test_the_script_makes_each_secret(secrets: Path) -> None:
    made = {f".secrets/{file.name}" for file in secrets.iterdir() if file.name != ".gitignore"}
    assert made == set(secret_files().values())
    assert (secrets / ".gitignore").read_text() == "*\n"


def test_the_folder_is_the_owners_and_containers_can_read_the_files(secrets: Path) -> None:
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in secrets.iterdir()} == {0o644}


async def test_the_script_leaves_what_is_there(secrets: Path) -> None:
    def contents() -> dict[str, str]:
        return {file.name: file.read_text() for file in secrets.iterdir()}

    before = contents()
    assert await run("sh", secrets.parent / "deploy" / "make-secrets.sh") == 0
    assert contents() == before


@pytest.mark.parametrize("missing", ["RENEW_URL_TEMPLATE", "SUPPORT_EMAIL"])
@our_services
def test_compose_starts_nothing_without_what_companies_are_shown(name: str, missing: str) -> None:
    with pytest.raises(MissingVariable, match=f"{missing} is missing a value: set it in .env"):
        environment_of(name, REQUIRED | {missing: ""})


@pytest.mark.parametrize("missing", ["SMTP_FROM_EMAIL", "SMTP_FROM_NAME"])
@our_services
def test_every_container_stops_without_a_sender(
    name: str, missing: str, monkeypatch: pytest.MonkeyPatch, secrets: Path
) -> None:
    with pytest.raises(SettingsError, match=rf"^{missing}: required when SMTP_HOST is set"):
        settings_in_container(monkeypatch, secrets, REQUIRED | {missing: ""}, name)


def test_without_a_mail_server_there_is_none(monkeypatch: pytest.MonkeyPatch, secrets: Path) -> None:
    settings = settings_in_container(monkeypatch, secrets, REQUIRED | {"SMTP_HOST": ""})
    with pytest.raises(SettingsError, match="no channel is configured"):
        require_to_send(settings)


def test_mail_is_encrypted_unless_a_setting_says_no(monkeypatch: pytest.MonkeyPatch, secrets: Path) -> None:
    settings = settings_in_container(monkeypatch, secrets, REQUIRED | {"EXPIRY_SCAN_CRON": "5 4 * * *"})
    require_to_send(settings)
    assert (settings.smtp_host, settings.smtp_tls) == (REQUIRED["SMTP_HOST"], "starttls")
    assert settings.expiry_scan_cron == "5 4 * * *"
    assert settings.support_email == REQUIRED["SUPPORT_EMAIL"]


def test_to_try_it_one_file_is_enough_and_all_mail_goes_to_the_catcher(
    monkeypatch: pytest.MonkeyPatch, secrets: Path
) -> None:
    host = {key: value or "" for key, value in dotenv_values(ROOT / "deploy" / "catcher.env").items()}
    settings = settings_in_container(monkeypatch, secrets, host)
    require_to_send(settings)
    assert (settings.smtp_host, settings.smtp_tls) == ("mailpit", "none")
    assert [channel.name for channel in configured_channels(settings)] == ["email"]
    assert urlsplit(settings.database()).hostname == "postgresql"
    assert SERVICES["mailpit"]["profiles"] == [host["COMPOSE_PROFILES"]]


@our_services
def test_it_loads_with_a_login_a_link_to_unsubscribe_and_telegram(
    name: str, monkeypatch: pytest.MonkeyPatch, secrets: Path
) -> None:
    """No container fails for a secret that only another one needs."""
    (secrets / "telegram_bot_token").write_text("123:of-the-tests-only-and-long-enough")
    more = {
        "SMTP_USERNAME": "me",
        "PUBLIC_URL": "https://notices.platform.example",
        "TELEGRAM_BOT_TOKEN_FILE": "/run/secrets/telegram_bot_token",
    }
    settings = settings_in_container(monkeypatch, secrets, REQUIRED | more, name)
    if name in ("worker", "schedules"):
        assert [channel.name for channel in configured_channels(settings)] == ["email", "telegram"]
    if name == "worker":
        with pytest.raises(SettingsError, match=r"^SMTP_PASSWORD: required when SMTP_USERNAME is set"):
            require_to_send(settings)
        (secrets / "smtp_password").write_text("given by the provider")
        require_to_send(settings)
    if name == "api":
        require_keys(settings)


@our_services
async def test_its_command_exists(name: str) -> None:
    python, *command = SERVICES[name]["command"]
    assert python == "python"
    if command == ["-m", "api"]:
        assert find_spec("api.__main__")
    else:
        assert await run(sys.executable, *command, "--help") == 0


async def test_the_workers_health_check_exists() -> None:
    form, python, *command = SERVICES["worker"]["healthcheck"]["test"]
    assert (form, python) == ("CMD", "python")
    assert await run(sys.executable, *command, "--help") == 0


def test_the_worker_has_a_full_name_for_the_mail_server() -> None:
    assert checked_ehlo_name(SERVICES["worker"]["hostname"]) == SERVICES["worker"]["hostname"]


def test_the_apis_health_check_needs_no_key() -> None:
    *_, code = SERVICES["api"]["healthcheck"]["test"]
    compile(code, "healthcheck", "exec")
    url = urlsplit(re.findall(r'"(http://[^"]+)"', code)[0])
    assert url.port == int(environment_of("api")["API_PORT"])
    assert url.path in OPEN_PATHS


@pytest.mark.parametrize("name", ["temporal-schema", "temporal-namespace"])
async def test_its_script_is_mounted_and_a_shell_understands_it(name: str) -> None:
    shell, script = SERVICES[name]["command"]
    assert await run(shell, "-n", in_checkout(name, script)) == 0


def test_a_stop_waits_for_what_is_being_sent() -> None:
    margin = timedelta(seconds=5)
    assert seconds(SERVICES["worker"]["stop_grace_period"]) >= worker.GRACEFUL_SHUTDOWN + margin
    assert seconds(SERVICES["api"]["stop_grace_period"]) >= timedelta(seconds=api.__main__.DRAIN_SECONDS) + margin


def test_temporal_has_the_shards_of_its_first_start() -> None:
    assert SERVICES["temporal"]["environment"]["NUM_HISTORY_SHARDS"] == "512"


def test_temporals_dynamic_configuration_is_what_limits_need() -> None:
    file = in_checkout("temporal", SERVICES["temporal"]["environment"]["DYNAMIC_CONFIG_FILE_PATH"])
    configuration = yaml.safe_load(file.read_text(encoding="utf-8"))
    everywhere = {key: [{"value": value}] for key, value in FAIR_QUEUES.items()}
    spread = {"taskQueueName": task_queue(Settings.load().task_queue_prefix, WORKFLOWS)}
    for key, values in configuration.items():
        if "Partitions" in key:
            assert [each.pop("constraints") for each in values[1:]] == [spread]
            del values[1:]
    assert configuration == everywhere
