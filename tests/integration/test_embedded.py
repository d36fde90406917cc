"""The embedded servers start on what they find, answer, and leave nothing behind, however they end."""

import asyncio
import json
import os
import select
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from local.embedded.postgres import NOT_DURABLE, EmbeddedPostgres
from local.embedded.process import EmbeddedServerError
from local.embedded.servers import EmbeddedServers
from local.embedded.temporal import EmbeddedTemporal
from local.embedded.temporal_cli import find_or_get_temporal
from local.embedded.test_server import find_or_get_test_server
from local.programs import Program
from tests.support.calling_api import NOBODY_LISTENS

# As cli.py does, with a line on standard output when the servers run.
RUN_SERVERS = """
import asyncio, os, pathlib, sys
from local.embedded.servers import run_until_stopped
status = 0
try:
    asyncio.run(run_until_stopped(pathlib.Path(sys.argv[1]), progress=lambda line: print(line, flush=True)))
except Exception as error:
    print(error, flush=True)
    status = 1
os._exit(status)
"""

SKIP_TIME = """
import asyncio, pathlib, sys
from local.embedded.test_server import time_skipping
from temporal.client import DATA_CONVERTER
async def main():
    async with time_skipping(sys.argv[2:], pathlib.Path(sys.argv[1]), DATA_CONVERTER):
        print("ready", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def query(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_postgres_keeps_its_data_and_its_url_over_restarts(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path / "data", settings=NOT_DURABLE) as postgres:
        url = postgres.database_url()
        await query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        await postgres.restart()
        assert await query(url, "SELECT answer FROM kept") == 42
        await postgres.restart(immediate=True)
        assert await query(url, "SELECT answer FROM kept") == 42
        assert postgres.database_url() == url


async def test_postgres_starts_on_a_stale_lock_file_whose_pid_another_process_has(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "data", settings=NOT_DURABLE)
    await postgres.start()
    lock_file = tmp_path / "data" / "postmaster.pid"
    lines = lock_file.read_text().splitlines()
    await postgres.stop()
    lock_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    async with postgres:
        assert await query(postgres.database_url(), "SELECT 1") == 1


async def test_postgres_starts_again_after_it_was_killed(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path / "data", settings=NOT_DURABLE) as postgres:
        session = await asyncpg.connect(postgres.database_url().replace("+asyncpg", ""))
        server = psutil.Process(postgres.pid)  # before the end: once it is collected `pid` is None, which means us
        assert server.pid != os.getpid()
        server.kill()
        server.wait(timeout=10)
        await postgres.start()
        assert await query(postgres.database_url(), "SELECT 1") == 1
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await session.fetchval("SELECT 1")


async def test_postgres_works_in_a_folder_too_deep_for_a_socket(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path / ("deep, " * 20) / "data", settings=NOT_DURABLE) as postgres:
        url = postgres.database_url()
        assert await query(url, "SELECT 1") == 1
        await postgres.restart()
        assert await query(url, "SELECT 1") == 1


async def test_postgres_copies_and_drops_databases(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path / "data", settings=NOT_DURABLE) as postgres:
        await postgres.create_database("template-1")
        await query(postgres.database_url("template-1"), "CREATE TABLE kept AS SELECT 42 AS answer")
        await postgres.create_database("copy", template="template-1")
        assert await query(postgres.database_url("copy"), "SELECT answer FROM kept") == 42
        await postgres.drop_database("copy")
        with pytest.raises(asyncpg.InvalidCatalogNameError):
            await query(postgres.database_url("copy"), "SELECT 1")


async def test_postgres_says_why_it_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="max_connections"):
        await EmbeddedPostgres(tmp_path / "data", settings={"max_connections": "many"}).start()


async def test_temporal_keeps_its_state_and_its_address_over_a_crash(tmp_path: Path) -> None:
    temporal = EmbeddedTemporal(
        tmp_path / "log",
        database_file=tmp_path / "db",
        extra_namespaces=["other"],
        search_attributes={"Kind": "Keyword"},
    )
    async with temporal:
        client = await Client.connect(temporal.address, namespace="other")
        await client.start_workflow("Unserved", id="kept", task_queue="nobody")
        address = temporal.address
        await temporal.kill()
        await temporal.start()
        assert temporal.address == address
        client = await Client.connect(temporal.address, namespace="other")
        assert (await client.get_workflow_handle("kept").describe()).workflow_type == "Unserved"


async def test_temporal_says_why_it_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="no-such-folder"):
        await EmbeddedTemporal(tmp_path / "log", database_file=tmp_path / "no-such-folder" / "db").start()


async def test_both_servers_answer_at_the_endpoints_and_end_together(tmp_path: Path) -> None:
    endpoints_file = tmp_path / "endpoints.json"
    servers = EmbeddedServers(tmp_path, postgres_settings=NOT_DURABLE)
    await servers.start()
    pids = (servers.postgres.pid, servers.temporal.pid)
    processes = [*map(psutil.Process, pids), *psutil.Process(servers.postgres.pid).children()]
    endpoints = json.loads(endpoints_file.read_text())
    assert set(endpoints) == {"database_url", "temporal_address", "temporal_namespace", "temporal_ui_url"}
    assert await query(endpoints["database_url"], "SELECT 1") == 1
    client = await Client.connect(endpoints["temporal_address"], namespace=endpoints["temporal_namespace"])
    request = DescribeNamespaceRequest(namespace=endpoints["temporal_namespace"])
    assert (await client.workflow_service.describe_namespace(request)).namespace_info.name == "default"

    with pytest.raises(EmbeddedServerError, match="already"):
        await EmbeddedServers(tmp_path).start()
    assert endpoints_file.exists()

    await servers.stop()
    assert not endpoints_file.exists()
    assert servers.postgres.pid is None
    assert servers.temporal.pid is None
    assert await ended(processes)


@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGINT])
async def test_a_run_ends_well_on_a_signal(tmp_path: Path, stop_signal: signal.Signals) -> None:
    async with running_servers(tmp_path) as process:
        servers = psutil.Process(process.pid).children(recursive=True)
        assert await process.stop(stop_signal) == 0
        assert await ended(servers)
        assert not (tmp_path / "endpoints.json").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the servers outlive a run that is killed")
async def test_a_killed_run_takes_its_servers_along_and_the_next_one_starts(tmp_path: Path) -> None:
    async with running_servers(tmp_path) as process:
        servers = psutil.Process(process.pid).children(recursive=True)
        process.send(signal.SIGKILL)  # to it alone, not to its group
        assert await ended(servers)
    async with running_servers(tmp_path):
        endpoints = json.loads((tmp_path / "endpoints.json").read_text())
        assert await query(endpoints["database_url"], "SELECT 1") == 1


async def test_a_run_ends_with_an_error_when_a_server_does(tmp_path: Path) -> None:
    async with running_servers(tmp_path) as process:
        (temporal,) = [child for child in psutil.Process(process.pid).children() if child.name() == "temporal"]
        temporal.kill()
        assert await process.exit_status() == 1
        assert "Temporal ended by itself" in process.output()


async def test_an_old_temporal_on_path_is_passed_over_for_the_cached_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path = make_temporal(tmp_path / "bin", server="1.20.0")
    cached = make_temporal(tmp_path / "cache" / "expiry-notifier", server="1.29.1")
    monkeypatch.setenv("PATH", str(on_path.parent), prepend=os.pathsep)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    said: list[str] = []
    assert await find_or_get_temporal(said.append) == cached
    assert "1.20" in said[0]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the server outlives a process that is killed")
async def test_a_killed_process_takes_its_time_skipping_server_along(tmp_path: Path) -> None:
    command = await find_or_get_test_server()
    arguments = ["-c", SKIP_TIME, str(tmp_path), *command]
    async with Program(arguments, log_file=tmp_path / "log", environment=os.environ) as process:
        assert await process.wait_for_line("ready") == "ready"
        servers = psutil.Process(process.pid).children(recursive=True)
        process.send(signal.SIGKILL)  # to it alone, not to its group
        assert await ended(servers)


async def test_without_any_way_to_the_time_skipping_server_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HTTPS_PROXY", f"http://{NOBODY_LISTENS}")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedServerError, match="Install Java and Maven") as failure:
        await find_or_get_test_server()
    assert "- download by the Temporal SDK: " in str(failure.value)
    assert "- Maven: there is no java on PATH" in str(failure.value)
    assert [file.name for file in (tmp_path / "cache" / "expiry-notifier").iterdir()] == ["temporal-test-server.lock"]


def make_temporal(folder: Path, server: str) -> Path:
    """A stand-in of the executable that only knows its version."""
    folder.mkdir(parents=True)
    path = folder / "temporal"
    path.write_text(f"#!/bin/sh\necho 'temporal version 1.0.0 (Server {server}, UI 2.0.0)'\n")
    path.chmod(0o755)
    return path


@asynccontextmanager
async def running_servers(state: Path) -> AsyncIterator[Program]:
    """A process that runs the servers of `state`, which are ready."""
    arguments = ["-c", RUN_SERVERS, str(state)]
    async with Program(arguments, log_file=state / "log", environment=os.environ) as process:
        await process.wait_for_line("endpoints.json")
        yield process


async def ended(processes: list[psutil.Process]) -> bool:
    """Whether all have ended, at the latest after 20 seconds."""
    assert processes
    return all(await asyncio.gather(*(asyncio.to_thread(_ended, process) for process in processes)))


def _ended(process: psutil.Process) -> bool:
    if sys.platform != "linux":
        return not psutil.wait_procs([process], timeout=20)[1]
    # Orphans count as running for psutil until process 1 collects them, and in a container it may never do so.
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    try:
        return not process.is_running() or bool(select.select([descriptor], [], [], 20)[0])
    finally:
        os.close(descriptor)
