"""The probes of a worker, which is a process of its own."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from pathlib import Path

from db.revision import newest_revision
from local.programs import Program
from tests.support.probing import ask
from tests.support.scene import PATIENCE, Scene
from tests.support.worker_process import WORKER, WorkerProcess, environment, worker_process

HANGING_WORKER = ("-m", "tests.support.hanging_worker")
ANY_PORT = {"HEALTH_ADDRESS": "127.0.0.1:0"}
GIVES_UP = 2.0
"""Seconds after which a probe gives up, as Kubernetes does."""


async def port_of(program: Program) -> int:
    return int(json.loads(await program.wait_for_line('"probes_ready"', within=PATIENCE))["port"])


async def becomes(port: int, path: str, expected: tuple[int, str]) -> None:
    async with asyncio.timeout(PATIENCE):
        while await ask(port, path) != expected:
            await asyncio.sleep(0.05)  # a probe is asked, it does not tell


async def test_a_hanging_event_loop_fails_liveness_until_it_runs_again(scene: Scene) -> None:
    async with worker_process(scene, HANGING_WORKER, **ANY_PORT) as worker:
        port = await port_of(worker)
        await becomes(port, "/readyz", (200, "ok\n"))
        worker.send(signal.SIGUSR1)
        async with asyncio.timeout(PATIENCE):
            while await alive(port):  # it may answer until the signal arrives
                pass
        assert not await alive(port)
        assert worker.exit_code is None
        worker.send(signal.SIGUSR2)
        await becomes(port, "/livez", (200, "ok\n"))
        await becomes(port, "/readyz", (200, "ok\n"))
        worker.tell_to_stop()
        assert await worker.exit_status() == 0


async def alive(port: int) -> bool:
    try:
        async with asyncio.timeout(GIVES_UP):
            return await ask(port, "/livez") == (200, "ok\n")
    except TimeoutError:
        return False


async def test_readiness_follows_the_databases_revision_and_liveness_does_not(scene: Scene) -> None:
    async with worker_process(scene, **ANY_PORT) as worker:
        port = await port_of(worker)
        await becomes(port, "/readyz", (200, "ok\n"))
        await scene.platform.execute("UPDATE alembic_version SET version_num = '0001'")
        status, why = await ask(port, "/readyz")
        assert status == 503
        assert why.startswith("the database is at revision 0001, and this release needs ")
        assert await ask(port, "/livez") == (200, "ok\n")
        await scene.platform.execute("UPDATE alembic_version SET version_num = :newest", newest=newest_revision())
        assert await ask(port, "/readyz") == (200, "ok\n")


async def test_before_any_worker_exists_it_is_not_ready(scene: Scene, tmp_path: Path) -> None:
    """It waits for a Temporal that takes connections and answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        variables = environment(scene.client, scene.settings) | ANY_PORT
        variables["TEMPORAL_ADDRESS"] = "{}:{}".format(*silent.getsockname())
        worker = WorkerProcess(WORKER, log_file=tmp_path / "log", environment=variables)
        try:
            port = await port_of(worker)
            assert await ask(port, "/livez") == (200, "ok\n")
            assert await ask(port, "/readyz") == (503, "starting\n")
        finally:
            worker.kill()


async def test_a_busy_port_is_a_wrong_setting(scene: Scene, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "{}:{}".format(*taken.getsockname())
        variables = environment(scene.client, scene.settings) | {"HEALTH_ADDRESS": address}
        worker = WorkerProcess(WORKER, log_file=tmp_path / "log", environment=variables)
        assert await worker.exit_status() == 2
        assert f"worker: HEALTH_ADDRESS: cannot listen on {address}: Address already in use" in worker.output()
