"""Each program works with what its package gives it: this environment and these secrets, and nothing else.

What several packages start by the same command with the same secrets runs once.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import make_url
from temporalio.client import Client

from local.embedded.postgres import EmbeddedPostgres
from local.embedded.postgres_install import find_programs
from local.programs import Program, run_to_end
from local.stand_ins.smtp_sink import SmtpSink
from local.stand_ins.telegram_api import TelegramApi
from settings import SECRETS
from temporal.schedules import SCAN_EXPIRING
from tests.support.api_process import running
from tests.support.bouncing import Mailbox, bounced
from tests.support.packages import Package, Packaged, Programs, by_compose, by_kubernetes, by_systemd
from tests.support.product import ROOT
from tests.support.psql import psql
from tests.support.scene import PATIENCE
from tests.support.secrets_used import SECRETS_USED
from tests.support.settings_for import API_KEY, AT_EASE, REQUIRED

PACKAGES: tuple[Package, ...] = (by_compose, by_kubernetes, by_systemd)
ROLES = ROOT / "deploy" / "postgres" / "roles.sql"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Installation:
    """Servers, and the folder for the files of the programs' secrets."""

    folder: Path
    settings: Mapping[str, str]
    """What an operator sets."""
    secrets: Mapping[str, str]

    def programs(self, *, owner_apart: bool = False) -> dict[str, Programs]:
        """The ways in which packages start each program, by package."""
        own = {"BOUNCES_MAILDIR": str(self.folder / "mailbox"), "STATE_DIRECTORY": str(self.folder / "backups")}
        found: dict[str, Programs] = {name: {} for name in SECRETS_USED}
        for package in PACKAGES:
            for name, program in package(self.settings, owner_apart=owner_apart, **own).items():
                known = [(each.command, each.secret_variables()) for each in found[name].values()]
                if (program.command, program.secret_variables()) not in known:
                    found[name][package.__name__] = program
        return found

    def environment(self, program: Packaged) -> dict[str, str]:
        path = f"{find_programs()}{os.pathsep}{os.environ['PATH']}"
        folder = self.folder / f"secrets-{next(_numbers)}"
        return program.environment_in(folder, self.secrets, self.settings) | {
            "PATH": path,
            "TMPDIR": os.environ["TMPDIR"],
        }

    async def run(self, ways: Programs) -> list[str]:
        """Runs each to its end, and returns what it printed."""
        printed: list[str] = []
        for package, program in ways.items():
            ended = await run_to_end(program.command, environment=self.environment(program))
            assert ended.status == 0, f"{package}: {program.command}: {ended.out}{ended.err}"
            printed.append(ended.out)
        return printed


@pytest.fixture
async def empty_database(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    name = f"packaged_{next(_numbers)}"
    await postgres.create_database(name, template="template0")
    yield name
    await postgres.drop_database(name)


@pytest.fixture
def installation(
    tmp_path: Path, postgres: EmbeddedPostgres, empty_database: str, smtp_sink: SmtpSink, telegram_api: TelegramApi
) -> Installation:
    settings = {name: value for name, value in REQUIRED.items() if name.lower() not in SECRETS}
    settings |= {name.upper(): str(value) for name, value in AT_EASE.items()}
    settings |= {
        "SMTP_HOST": smtp_sink.host,
        "SMTP_PORT": str(smtp_sink.port),
        "SMTP_TLS": "none",
        "SMTP_EHLO_HOST": "worker.platform.example",
        "SMTP_BOUNCE_ADDRESS": "bounce@platform.example",
        "PUBLIC_URL": "https://notices.platform.example",
        "TELEGRAM_API_URL": telegram_api.url,
    }
    secrets = {
        "database_url": postgres.database_url(empty_database),
        "smtp_password": "",
        "telegram_bot_token": telegram_api.token,
        "telegram_proxy": "",
        "unsubscribe_secret": API_KEY,
        "api_keys": API_KEY,
    }
    return Installation(tmp_path, settings, secrets)


async def test_each_works_with_what_its_package_gives_it(installation: Installation, temporal: Client) -> None:
    own = {"TEMPORAL_ADDRESS": temporal.service_client.config.target_host, "TEMPORAL_NAMESPACE": temporal.namespace}
    installation = replace(installation, settings={**installation.settings, **own})
    mailbox = Mailbox(installation.folder / "mailbox")
    mailbox.put(bounced())
    (installation.folder / "backups").mkdir()
    programs = installation.programs()
    assert all(programs.values())

    first, *_ = await installation.run(programs["migrate"])
    assert first.startswith("Migrated the database from empty to revision ")
    async with asyncio.TaskGroup() as group:
        group.create_task(_serve(installation, programs["worker"], programs["schedules"], temporal))
        group.create_task(_answer(installation, programs["api"]))
        group.create_task(installation.run(programs["bounces"]))
        backup = group.create_task(installation.run(programs["backup"]))
    assert mailbox.flags() != ["new"]
    assert [": verified, taken " in each for each in backup.result()] == [True]


async def _serve(installation: Installation, workers: Programs, schedules: Programs, temporal: Client) -> None:
    """The worker is ready, then the Schedules are made."""
    for package, worker in workers.items():
        log_file = installation.folder / f"worker-{package}.log"
        async with Program(worker.command, log_file=log_file, environment=installation.environment(worker)) as process:
            await process.wait_for_line('"worker_ready"', within=PATIENCE)
            first, *_ = await installation.run(schedules)
        process.require_success()
    created = re.findall(r"^\s*(\S+) +created\s*$", first, re.MULTILINE)
    assert SCAN_EXPIRING in created
    for name in created:
        assert (await temporal.get_schedule_handle(name).describe()).info.next_action_times


async def _answer(installation: Installation, ways: Programs) -> None:
    for api in ways.values():
        async with (
            running(api.command, **installation.environment(api)) as process,
            httpx.AsyncClient(base_url=process.url) as client,
        ):
            ready = await client.get("/readyz")
            assert (ready.status_code, ready.json()["checks"]) == (200, {"database": "ok", "temporal": "ok"})
            listed = await client.get("/notifications", headers={"X-API-Key": API_KEY})
            assert (listed.status_code, listed.json()["items"]) == (200, [])


async def test_the_migration_may_have_a_role_of_its_own(installation: Installation, postgres: EmbeddedPostgres) -> None:
    """The tables are the owner's, and no other program has its URL."""
    url = make_url(installation.secrets["database_url"])
    status, _, err = await psql(postgres, "--quiet", f"--dbname={url.database}", f"--file={ROLES}")
    assert (status, err) == (0, "")
    apart = {
        name: url.set(username=role).render_as_string(hide_password=False)
        for name, role in (("database_url", "expiry_app"), ("database_owner_url", "expiry_owner"))
    }
    installation = replace(installation, secrets={**installation.secrets, **apart})
    programs = installation.programs(owner_apart=True)
    assert [set(each.secret_variables().values()) for each in programs["migrate"].values()] == [{"database_owner_url"}]
    await installation.run(programs.pop("migrate"))
    owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
    read = ("--tuples-only", "--no-align", f"--dbname={url.database}", "--command", owners)
    assert await psql(postgres, *read) == (0, "expiry_owner\n", "")
    others = [each for ways in programs.values() for each in ways.values()]
    assert "database_owner_url" not in {secret for each in others for secret in each.mounted.values()}
