"""What docker-compose.yml says, without containers: PostgreSQL, Temporal's real server, and our programs on both.

The fixtures replace those of the other tests by the same name, so that a scene plays on these servers.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from local.embedded.postgres import EmbeddedPostgres
from local.embedded.temporal import find_or_get_temporal
from local.embedded.temporal_build import TemporalPrograms, find_or_build_programs
from settings import Settings
from temporal.attributes import register_search_attributes
from temporal.client import DATA_CONVERTER
from tests.faults.conftest import ledger, pytest_addoption, pytest_terminal_summary, pytest_unconfigure
from tests.production.temporal_server import TemporalServer, environment_of
from tests.support.databases import administer
from tests.support.product import ROOT
from tests.support.reserved import HOST, ReservedPort
from tests.support.scene import PATIENCE
from tests.support.settings_for import MakeSettings

__all__ = ["ledger", "pytest_addoption", "pytest_terminal_summary", "pytest_unconfigure"]

_numbers = itertools.count(1)


async def run(*command: str | Path, environment: Mapping[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


@dataclass(frozen=True)
class Installation:
    """What stands beside a checkout: the secrets, and the scripts that read them."""

    folder: Path
    postgres_port: int

    def secret(self, name: str) -> str:
        return (self.folder / ".secrets" / name).read_text(encoding="utf-8")

    def script(self, path: str) -> Path:
        """A copy of the script that reads its secrets here instead of in a container."""
        text = (ROOT / path).read_text(encoding="utf-8")
        file = self.folder / Path(path).name
        file.write_text(text.replace("/run/secrets", str(self.folder / ".secrets")), encoding="utf-8")
        return file

    def database_url(self, name: str) -> str:
        """For the role that the installation made for us."""
        made = urlsplit(self.secret("database_url"))
        return f"postgresql://{made.username}:{made.password}@{HOST}:{self.postgres_port}/{name}"


@pytest.fixture(scope="session")
async def installation(servers_folder: Path) -> AsyncIterator[Installation]:
    port = ReservedPort()
    installation = Installation(servers_folder / "installation", port.number)
    (installation.folder / "deploy").mkdir(parents=True)
    script = shutil.copy(ROOT / "deploy" / "make-secrets.sh", installation.folder / "deploy")
    await run("sh", script, environment={"PATH": os.environ["PATH"]})
    yield installation
    port.release()


def find_postgresql() -> Path:
    """The programs of the newest server on this machine that has the extensions that Temporal needs: the wheel's has
    none."""
    installs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if found := shutil.which("postgres"):
        installs.append(Path(found).resolve().parent)
    if not installs:
        pytest.fail("the production check needs PostgreSQL's server with its extensions: apt-get install postgresql")
    return installs[-1]


@pytest.fixture(scope="session")
async def postgres(servers_folder: Path, installation: Installation) -> AsyncIterator[EmbeddedPostgres]:
    """With durable writes, and the roles of a first start."""
    listens = {"listen_addresses": HOST, "port": str(installation.postgres_port)}
    programs = find_postgresql()
    async with EmbeddedPostgres(servers_folder / "postgres", settings=listens, programs=programs) as server:
        psql = programs / "psql"
        roles = installation.script("deploy/postgres/init/10-roles.sql")
        arguments = ["--no-psqlrc", f"--host={HOST}", f"--port={installation.postgres_port}", "--username=postgres"]
        await run(psql, *arguments, f"--file={roles}", environment={"PATH": os.environ["PATH"]})
        yield server


@pytest.fixture(scope="session")
async def programs() -> TemporalPrograms:
    """The first time on a machine they are built."""
    return await find_or_build_programs(print)


@pytest.fixture(scope="session")
async def temporal_server(
    servers_folder: Path, installation: Installation, postgres: EmbeddedPostgres, programs: TemporalPrograms
) -> AsyncIterator[TemporalServer]:
    assert postgres.pid is not None
    port = installation.postgres_port
    path = f"{programs.folder}:{os.environ['PATH']}"
    schema = environment_of("temporal-schema", PATH=path, SQL_HOST=HOST, SQL_PORT=str(port))
    setup = installation.script("deploy/temporal/setup-schema.sh")
    await run("sh", setup, environment=schema | {"SCHEMAS": str(programs.schemas)})
    log_file = servers_folder / "temporal.log"
    async with TemporalServer(programs, log_file, port, installation.secret("temporal_password")) as server:
        command_line = await find_or_get_temporal()
        variables = {
            "PATH": f"{command_line.parent}:{os.environ['PATH']}",
            "HOME": str(servers_folder),
            "TEMPORAL_ADDRESS": server.address,
            "TEMPORAL_NAMESPACE": "default",
        }
        await run("sh", installation.script("deploy/temporal/create-namespace.sh"), environment=variables)
        await _known_everywhere(server)
        yield server


async def _known_everywhere(server: TemporalServer) -> None:
    """Waits until the front end, which reads the namespaces every ten seconds, knows the new one."""
    client = await Client.connect(server.address)
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await register_search_attributes(client)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                await asyncio.sleep(0.2)  # it tells nobody
            else:
                return


@pytest.fixture
async def temporal(temporal_server: TemporalServer) -> Client:
    return await Client.connect(temporal_server.address, data_converter=DATA_CONVERTER)


@pytest.fixture
async def database_url(postgres: EmbeddedPostgres, installation: Installation) -> str:
    """An empty database of our own role's. It goes with the server."""
    name = f"check_{next(_numbers)}"
    await postgres.create_database(name)
    await administer(postgres, f"ALTER DATABASE {name} OWNER TO expiry")
    return installation.database_url(name)


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    """With task queues of the test's own: all share one namespace."""
    return make_settings(task_queue_prefix=f"check-{next(_numbers)}-")
