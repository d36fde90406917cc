"""docker-compose.yml as Compose reads it, for the forms that the file uses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from settings import SECRETS
from tests.support import settings_for
from tests.support.product import ROOT

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("expiry-notifier:")}
MOUNTED = "/run/secrets"

REQUIRED = {name: value for name, value in settings_for.REQUIRED.items() if name.lower() not in SECRETS}
"""What .env has to say."""


class MissingVariable(Exception):
    """Compose stops with this message before it starts anything."""


def interpolated(value: str, environment: Mapping[str, str]) -> str:
    """The value as Compose makes it, for the three forms that the file uses."""

    def replace(match: re.Match[str]) -> str:
        given = environment.get(match["name"], "")
        match match["kind"]:
            case "+":
                return match["text"] if given else ""
            case "?" if not given:
                raise MissingVariable(f"required variable {match['name']} is missing a value: {match['text']}")
            case _:
                return given or match["text"]

    return re.sub(r"(?<!\$)\$\{(?P<name>\w+):(?P<kind>[-+?])(?P<text>[^${}]*)\}", replace, value).replace("$$", "$")


def environment_of(name: str, host: Mapping[str, str] = REQUIRED) -> dict[str, str]:
    """What the container finds in its environment: `host` is the caller's, with `.env`."""
    declared = SERVICES[name].get("environment", {})
    passed_on = {key: host[key] for key, value in declared.items() if value is None and key in host}
    return passed_on | {key: interpolated(value, host) for key, value in declared.items() if value is not None}


def secret_files(host: Mapping[str, str] = REQUIRED) -> dict[str, str]:
    """The file of each secret, relative to the checkout."""
    return {name: interpolated(secret["file"], host) for name, secret in COMPOSE["secrets"].items()}


def mounted_secrets(name: str) -> dict[str, str]:
    """The secret behind each file that the container sees in `MOUNTED`."""
    mounted: dict[str, str] = {}
    for each in SERVICES[name].get("secrets", []):
        source, target = (each, each) if isinstance(each, str) else (each["source"], each["target"])
        mounted[target] = source
    return mounted
