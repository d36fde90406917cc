"""Names in a command or a sentence that must exist: commands and their options, make targets, services, settings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache

import typer.main
import yaml
from typer.core import TyperArgument, TyperGroup, TyperOption

import cli
from settings import Settings
from tests.support.product import ROOT

CLI = re.compile(r"(?:^|[\s;&|(])(?:\S*python3? )?cli\.py((?: [^\n|;&#`)]*)?)")
MAKE = re.compile(r"(?:^|[\s;&|(])make ([a-z][a-z-]*)\b")
COMPOSE = re.compile(r"\bdocker compose\b([^\n|&;]*)")
VOLUME = re.compile(r"\bexpiry-notifier_(\w+)")
SETTING = re.compile(r"^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$")

OF_OTHERS = {
    *("AUTO_UPGRADE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_SERVICE_NAME", "OTEL_TRACES_SAMPLER"),
}
"""What the pages name and nothing of ours reads: OpenTelemetry's own variables, and a word of Temporal's."""

SERVICE_FIRST = {"exec", "run"}
"""The first word that is no option is the service; what follows is the container's."""
SERVICES_ONLY = {"up", "build", "logs", "restart", "stop", "start", "ps", "pull", "rm", "kill", "images", "top"}
NO_SERVICE = {"down", "config", "version"}
WITH_VALUE = {"--volume", "-v", "--user", "-u", "--env", "-e", "--entrypoint", "--workdir", "-w", "--index", "--tail"}
"""Options whose next word is their value."""

SOURCES = (
    "*.py",
    "*.sh",
    "*.yml",
    "*.yaml",
    "*.toml",
    "*.env",
    "*.sql",
    "*.service",
    "*.timer",
    "Makefile",
    "Dockerfile",
    ".env.example",
)
UNREAD = (".venv", ".git", ".demo", "tests")


def wrong_names(text: str) -> list[str]:
    """A sentence for each name in commands that does not exist. `text` is a block's, or a span's."""
    joined = re.sub(r"\\\n\s*", " ", text)
    return [
        *(wrong for match in CLI.finditer(joined) for wrong in _wrong_in_cli(match[1])),
        *(f"the Makefile has no target {target}" for target in MAKE.findall(joined) if target not in targets()),
        *(wrong for arguments in COMPOSE.findall(joined) for wrong in _wrong_in_compose(arguments)),
        *(f"docker-compose.yml has no volume {v}" for v in VOLUME.findall(joined) if v not in compose()["volumes"]),
    ]


def is_known_setting(name: str) -> bool:
    """Whether a program of ours reads a variable of this name, or a file of ours says it."""
    return name in OF_OTHERS or name in {field.upper() for field in Settings.model_fields} or name in _words()


@cache
def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@cache
def compose() -> dict[str, dict[str, object]]:
    loaded: dict[str, dict[str, object]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return loaded


@cache
def _words() -> set[str]:
    files = (file for pattern in SOURCES for file in ROOT.rglob(pattern))
    ours = (file for file in files if file.relative_to(ROOT).parts[0] not in UNREAD)
    return {word for file in ours for word in re.findall(r"[A-Z][A-Z0-9_]+", file.read_text(encoding="utf-8"))}


def _wrong_in_cli(arguments: str) -> Iterator[str]:
    command = typer.main.get_command(cli.app)
    said = "cli.py"
    words = [word for word in _split(arguments) if word not in ("\\", "...", "…")]
    positional = 0
    while words:
        word = words.pop(0)
        if word.startswith(("<", ">", "2>")):
            return
        option = word.partition("=")[0]
        if option.startswith("-") and len(option) > 1 and not option[1].isdigit():
            parameter = next((each for each in command.params if option in (*each.opts, *each.secondary_opts)), None)
            if parameter is None and option not in ("--help", "-h"):
                yield f"`{said}` has no option {option}"
            elif isinstance(parameter, TyperOption) and not parameter.is_flag and "=" not in word and words:
                words.pop(0)
        elif isinstance(command, TyperGroup):
            found = command.commands.get(word)
            if found is None:
                yield f"`{said}` has no command {word}"
                return
            command, said = found, f"{said} {word}"
        else:
            positional += 1
    takes = [each for each in command.params if isinstance(each, TyperArgument)]
    if all(each.nargs > 0 for each in takes) and positional > sum(each.nargs for each in takes):
        yield f"`{said}` takes no {positional} arguments"


def _wrong_in_compose(arguments: str) -> Iterator[str]:
    words = _split(arguments)
    known = compose()["services"]
    while words and words[0].startswith("-"):
        option, equals, value = words.pop(0).partition("=")
        value = value if equals else words.pop(0) if words else ""
        if option == "--profile" and not any(value in _profiles(service) for service in known.values()):
            yield f"docker-compose.yml has no profile {value}"
        if option in ("--file", "-f") and not (ROOT / value).is_file():
            yield f"there is no {value}"
    if not words:
        return
    subcommand = words.pop(0)
    if subcommand not in SERVICE_FIRST | SERVICES_ONLY | NO_SERVICE:
        yield f"`docker compose {subcommand}` is unknown to the tests"
        return
    while words:
        word = words.pop(0)
        if word in WITH_VALUE:
            words = words[1:]
        elif word == "--scale":
            words[0] = words[0].partition("=")[0]
        elif word in ("<", ">", ">>"):
            return
        elif not word.startswith("-"):
            if word not in known:
                yield f"docker-compose.yml has no service {word}"
            if subcommand in SERVICE_FIRST:
                return


def _profiles(service: object) -> list[str]:
    return list(service.get("profiles", [])) if isinstance(service, dict) else []


def _split(arguments: str) -> list[str]:
    lexer = shlex.shlex(arguments, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:  # a quote that ends on another line
        return arguments.split()
