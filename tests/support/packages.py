"""How each of our packages starts a program: its command, its environment, and the files of its secrets."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support import compose, kustomize, systemd_units
from tests.support.product import ROOT
from tests.support.systemd_units import OWNER, SERVICES, TELEGRAM

KUBERNETES_PAGE = ROOT / "docs" / "deploying" / "kubernetes.md"
EMPTY = "/dev/null"
LISTENING = {
    "API_HOST": "127.0.0.1",
    "API_PORT": "0",
    "API_METRICS_ADDRESS": "127.0.0.1:0",
    "HEALTH_ADDRESS": "127.0.0.1:0",
    "METRICS_ADDRESS": "127.0.0.1:0",
}
"""Where a package's program listens, on a machine that it shares with tests."""


@dataclass(frozen=True)
class Packaged:
    """A program as a package starts it."""

    command: tuple[str, ...]
    """Python's arguments."""
    environment: Mapping[str, str]
    mounted: Mapping[str, str]
    """The secret behind each file."""
    mounted_in: str
    """The folder of these files, as the environment names it."""

    def secret_variables(self) -> dict[str, str | None]:
        """The secret that each variable leads to; None: to an empty file. Raises KeyError if it is not mounted."""
        values = {name: value for name, value in self.environment.items() if name.endswith("_FILE") and value}
        return {
            name: None if value == EMPTY else self.mounted[value.removeprefix(f"{self.mounted_in}/")]
            for name, value in values.items()
        }

    def environment_in(self, folder: Path, secrets: Mapping[str, str], servers: Mapping[str, str]) -> dict[str, str]:
        """Writes the files of its secrets, and no others, into the folder. Returns the environment with this folder,
        and with other addresses for those that the package names itself."""
        folder.mkdir()
        for file, secret in self.mounted.items():
            (folder / file).write_text(secrets[secret], encoding="utf-8")
        own = {name: value.replace(self.mounted_in, str(folder)) for name, value in self.environment.items()}
        return own | {name: value for name, value in (LISTENING | dict(servers)).items() if name in own}


Programs = dict[str, Packaged]
"""By the program's name."""
Package = Callable[..., Programs]
"""The programs of a package with Telegram, for an operator's settings and variables of systemd's own. With
`owner_apart` the role that owns the tables has a secret of its own, as the documents say."""


def by_compose(settings: Mapping[str, str], *, owner_apart: bool = False, **_: str) -> Programs:
    host = dict(settings) | {"TELEGRAM_BOT_TOKEN_FILE": f"{compose.MOUNTED}/telegram_bot_token"}
    if owner_apart:
        host["DATABASE_OWNER_URL_FILE"] = ".secrets/database_owner_url"
    files = compose.secret_files(host)
    return {
        name: Packaged(
            tuple(service["command"][1:]),
            compose.environment_of(name, host),
            {file: Path(files[secret]).name for file, secret in compose.mounted_secrets(name).items()},
            compose.MOUNTED,
        )
        for name, service in compose.OURS.items()
    }


def by_kubernetes(settings: Mapping[str, str], *, owner_apart: bool = False, **_: str) -> Programs:
    resources = kustomize.built(kustomize.EXAMPLE)
    [shared] = [each["data"] for each in resources if each["kind"] == "ConfigMap"]
    programs = kustomize.programs(resources)
    if owner_apart:
        kustomize.merge(programs["migrate"], owner_patch())
    return {
        name: Packaged(
            tuple(kustomize.container_of(resource)["command"][1:]),
            kustomize.environment_of(resource, {**shared, **settings}),
            kustomize.mounted_secrets(resource),
            compose.MOUNTED,
        )
        for name, resource in programs.items()
    }


def owner_patch() -> kustomize.Resource:
    """The patch of the Job `expiry-migrate` in the documents."""
    blocks = re.findall(r"```yaml\n(.*?)```", KUBERNETES_PAGE.read_text(encoding="utf-8"), re.DOTALL)
    [patch] = [read for block in blocks if (read := yaml.safe_load(block))["metadata"]["name"] == "expiry-migrate"]
    return dict(patch)


def by_systemd(settings: Mapping[str, str], *, owner_apart: bool = False, **own: str) -> Programs:
    """`own` is what a unit's other files and systemd itself set."""
    drop_ins = {"worker": [TELEGRAM], "schedules": [TELEGRAM], "migrate": [OWNER] if owner_apart else []}
    found: Programs = {}
    for name, file in SERVICES.items():
        sections = [systemd_units.parsed(each)["Service"] for each in (file, *drop_ins.get(name, []))]
        lines = [line.partition("=") for section in sections for line in section.get("Environment", [])]
        credentials = [line.partition(":") for section in sections for line in section.get("LoadCredential", [])]
        environment = {**settings, **own, **{variable: value for variable, _, value in lines}}
        found[name] = Packaged(
            tuple(_expanded(sections[0]["ExecStart"][0], environment)),
            environment,
            {credential: Path(path).name for credential, _, path in credentials},
            "%d",
        )
    return found


def _expanded(command: str, environment: Mapping[str, str]) -> list[str]:
    """Python's arguments, as systemd makes them: `$NAME` becomes several words or none, `${NAME}` is replaced."""
    _, *words = shlex.split(command)
    arguments: list[str] = []
    for word in words:
        if match := re.fullmatch(r"\$(\w+)", word):
            arguments += environment[match[1]].split()
        else:
            arguments.append(re.sub(r"\$\{(\w+)\}", lambda name: environment[name[1]], word))
    return arguments
