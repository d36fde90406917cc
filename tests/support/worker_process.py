"""`worker.py` as a process of its own, to be stopped and killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from pydantic import SecretStr
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import UpdateActivityOptionsRequest
from temporalio.client import Client

from settings import Settings
from tests.support.scene import PATIENCE, Scene

ROOT = Path(__file__).parents[2]
WORKER = ("worker.py",)
CRASHING_WORKER = ("-m", "tests.support.crashing_worker")


class WorkerProcess:
    """A worker that runs; what it says is read all the time, or it would have to wait for us."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._said: deque[str] = deque(maxlen=40)
        self._ready = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self._said.append(line.decode())
            if b'"worker_ready"' in line:
                self._ready.set()

    async def ready(self) -> None:
        async with asyncio.timeout(PATIENCE):
            waiting = asyncio.create_task(self._ready.wait())
            await asyncio.wait((waiting, self._reading), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        assert self._ready.is_set(), "".join(self._said)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def says(self, *words: str) -> None:
        """Waits until a line of its log holds one of the words."""
        async with asyncio.timeout(PATIENCE):
            while not any(word in line for line in self._said for word in words):
                await asyncio.sleep(0.02)  # its log comes when it comes

    def freeze(self) -> None:
        """SIGSTOP: as a machine that hangs."""
        self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """SIGCONT: it goes on where it was."""
        self._process.send_signal(signal.SIGCONT)

    def tell_to_stop(self) -> None:
        """SIGTERM: it ends once what runs has ended."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: as if its machine were gone."""
        self._process.kill()

    async def exit_status(self) -> int:
        """Its exit status; negative: the signal that ended it."""
        async with asyncio.timeout(PATIENCE):
            return await self._process.wait()

    async def end(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading


@asynccontextmanager
async def worker_process(scene: Scene, command: tuple[str, ...] = WORKER) -> AsyncIterator[WorkerProcess]:
    """The command, once it is ready. What is left of it at the end is killed."""
    worker = WorkerProcess(
        await asyncio.create_subprocess_exec(
            sys.executable, *command, cwd=ROOT, env=environment(scene.client, scene.settings), stderr=PIPE
        )
    )
    try:
        await worker.ready()
        yield worker
    finally:
        await worker.end()


async def notice_the_death_soon(scene: Scene, workflow_id: str, activity: str) -> None:
    """The server waits half a minute for a heartbeat; a test has no time for that."""
    await scene.client.workflow_service.update_activity_options(
        UpdateActivityOptionsRequest(
            namespace=scene.client.namespace,
            execution=WorkflowExecution(workflow_id=workflow_id),
            type=activity,
            activity_options=ActivityOptions(heartbeat_timeout=Duration(seconds=5)),
            update_mask=FieldMask(paths=["heartbeat_timeout"]),
        )
    )


def environment(client: Client, settings: Settings) -> dict[str, str]:
    """The variables that make a process work on the test's servers with the test's settings."""
    return {
        "PATH": os.environ["PATH"],
        "TMPDIR": os.environ["TMPDIR"],
        "TEMPORAL_ADDRESS": client.service_client.config.target_host,
        "TEMPORAL_NAMESPACE": client.namespace,
    } | {name.upper(): _text(getattr(settings, name)) for name in settings.model_fields_set}


def _text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
