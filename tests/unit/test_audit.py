"""`make audit` and `make sbom`: what could not be checked is never told as a pass."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

import pytest

from deploy import audit
from local.programs import run_to_end
from local.stand_ins.http_server import Answer, HttpServer, Request
from tests.support.product import ROOT

LOCKED = "wrapt==2.5.2 --hash=sha256:" + "0" * 64 + "\nzipp==3.0 --hash=sha256:" + "1" * 64 + "\n"
FAULT = {"id": "PYSEC-1", "aliases": [], "summary": "", "affected": [], "details": "words"}


class Osv:
    """The service, which knows the faults of some packages."""

    def __init__(self, faulty: str = "") -> None:
        self._faulty = faulty
        self.asked: list[str] = []
        self._server = HttpServer(self._answer)
        self.url = ""

    async def __aenter__(self) -> Self:
        self.url = f"http://127.0.0.1:{await self._server.start('127.0.0.1', 0)}/v1/query"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop()

    async def _answer(self, request: Request) -> Answer:
        name = json.loads(request.body)["package"]["name"]
        self.asked.append(name)
        return Answer(200, {"vulns": [FAULT]} if name == self._faulty else {})


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    file = tmp_path / "locked.txt"
    file.write_text(LOCKED)
    return file


@pytest.fixture
async def clean() -> AsyncIterator[Osv]:
    async with Osv() as osv:
        yield osv


async def run(url: str, file: Path) -> tuple[int, str]:
    """Exit status and last line."""
    ended = await run_to_end(
        ["-m", "deploy.audit", "--service", "osv", "--osv-url", url, str(file)],
        environment={"PATH": str(Path(sys.executable).parent), "HOME": str(file.parent)},
    )
    return ended.status, ended.out.splitlines()[-1]


async def test_all_checked_and_nothing_known(clean: Osv, requirements: Path) -> None:
    assert await run(clean.url, requirements) == (0, "audit: 2 packages checked, no known vulnerability (osv)")
    assert sorted(clean.asked) == ["wrapt", "zipp"]


async def test_a_known_vulnerability_fails(requirements: Path) -> None:
    async with Osv(faulty="zipp") as osv:
        assert await run(osv.url, requirements) == (1, "audit: known vulnerabilities: 1 (osv)")


async def test_nobody_answers(requirements: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = "http://{}:{}".format(*unused.getsockname())
    status, last = await run(url, requirements)
    assert status == 3
    assert last.startswith("audit: NOT CHECKED")


def test_what_the_service_does_not_know_is_not_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a mirror without the data answers: pip-audit then ends with status 0."""
    asked: list[str] = []

    def half(service: str, *_: object) -> audit.Audit:
        asked.append(service)
        return audit.Audit(5, ["a", "b", "c", "d"], [])

    monkeypatch.setattr(audit, "ask", half)
    assert audit.main([]) == 3
    assert asked == ["pypi", "osv"]
    assert "not checked: a, b, c and 1 more" in capsys.readouterr().out


async def test_the_bill_of_materials_has_every_package_of_the_image(tmp_path: Path) -> None:
    """It is written without any connection."""
    file = tmp_path / "sbom.json"
    command = ["-W", "ignore", "-m", "cyclonedx_py", "requirements", "requirements/app.txt", "--pyproject"]
    options = ["pyproject.toml", "--output-reproducible", "--output-format", "JSON", "--output-file", str(file)]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n\t\t", "")
    assert " ".join([*command[2:], *options[:-1]]) in makefile
    ended = await run_to_end([*command, *options], environment={"PATH": "", "https_proxy": "http://127.0.0.1:9"})
    assert ended.status == 0, ended.err
    bill = json.loads(file.read_text(encoding="utf-8"))
    locked = [line for line in (ROOT / "requirements" / "app.txt").read_text().splitlines() if "==" in line]
    assert {f"{each['name']}=={each['version']}" for each in bill["components"]} == {
        line.split(" ", 1)[0] for line in locked
    }
    assert bill["metadata"]["component"]["name"] == "expiry-notifier"
