"""The units of systemd in deploy/systemd/, as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tests.support.product import ROOT

FOLDER = ROOT / "deploy" / "systemd"
UNITS = sorted(file.name for file in FOLDER.iterdir() if file.suffix in (".service", ".timer"))
SERVICES = {re.sub(r"expiry-(\w+)@\.service", r"\1", name): name for name in UNITS if name.endswith(".service")}
"""By the program's name."""
TELEGRAM, API_KEY, OWNER = "telegram.conf", "temporal-api-key.conf", "database-owner.conf"
"""Drop-ins."""

RELEASES = "/opt/expiry-notifier"
CONFIGURATION = "/etc/expiry-notifier"

Unit = Mapping[str, Mapping[str, list[str]]]


def parsed(name: str) -> Unit:
    """Sections, then values by key: a key may stand there several times."""
    sections: dict[str, dict[str, list[str]]] = {}
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
        if not line or line.startswith(("#", ";")):
            continue
        if heading := re.fullmatch(r"\[(\w+)\]", line):
            section = sections.setdefault(heading[1], {})
            continue
        key, _, value = line.partition("=")
        section.setdefault(key, []).append(value)
    return sections


def installed(name: str, folder: Path, releases: Path, configuration: Path, release: str) -> Path:
    """Writes the unit of a release into the folder, with other paths than those of a real machine."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    text = text.replace(RELEASES, str(releases)).replace(CONFIGURATION, str(configuration))
    file = folder / name.replace("@.", f"@{release}.")
    file.write_text(text, encoding="utf-8")
    return file
