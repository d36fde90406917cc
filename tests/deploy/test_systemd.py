"""What systemd says of the units, with paths that exist."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.product import ROOT
from tests.support.systemd_units import SERVICES, UNITS, installed, parsed

RELEASE = "0.6.0"
MOST_EXPOSED = 2.0
"""Of 10, as `systemd-analyze security` counts it; an unhardened service has 9.6."""


@dataclass(frozen=True)
class Said:
    status: int
    text: str


async def systemd_analyze(*arguments: str | Path) -> Said:
    process = await asyncio.create_subprocess_exec(
        "systemd-analyze",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return Said(await process.wait(), output.decode())


Install = Callable[[str], Path]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Installs a unit for a release that exists, which is this checkout."""
    releases, configuration, folder = (tmp_path / name for name in ("opt", "etc", "units"))
    (configuration / "secrets").mkdir(parents=True)
    releases.mkdir()
    folder.mkdir()
    (releases / RELEASE).symlink_to(ROOT)

    def install_all_and_name(name: str) -> Path:
        files = {each: installed(each, folder, releases, configuration, RELEASE) for each in UNITS}
        return files[name]  # the others lie beside it: a timer needs its service

    return install_all_and_name


@pytest.mark.parametrize("name", UNITS)
async def test_systemd_finds_no_fault(install: Install, name: str) -> None:
    assert await systemd_analyze("verify", "--man=no", install(name)) == Said(0, "")


@pytest.mark.parametrize("name", SERVICES.values())
async def test_systemd_would_find_a_program_that_is_not_there(install: Install, tmp_path: Path, name: str) -> None:
    file = install(name)
    (tmp_path / "opt" / RELEASE).unlink()
    said = await systemd_analyze("verify", "--man=no", file)
    assert said.status != 0
    assert f"{RELEASE}/.venv/bin/python is not executable" in said.text


@pytest.mark.parametrize("name", SERVICES.values())
async def test_it_is_hardened(install: Install, name: str) -> None:
    said = await systemd_analyze("security", "--offline=true", "--no-pager", install(name))
    match = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said.text)
    assert match, said.text
    assert float(match[1]) <= MOST_EXPOSED, said.text


@pytest.mark.parametrize("name", [name for name in UNITS if name.endswith(".timer")])
async def test_its_times_are_times(name: str) -> None:
    [times] = parsed(name)["Timer"]["OnCalendar"]
    assert (await systemd_analyze("calendar", times)).status == 0
