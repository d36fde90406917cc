"""`worker.py` as a process of its own, to be stopped and killed."""

from __future__ import annotations

import os
import signal
import tempfile
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

from local.programs import CHECKOUT, Program
from settings import Settings
from tests.support.scene import PATIENCE, Scene

WORKER = ("worker.py",)
CRASHING_WORKER = ("-m", "tests.support.crashing_worker")


class WorkerProcess(Program):
    """A worker that runs."""

    async def says(self, *words: str) -> None:
        """Waits until a line of its log holds one of the words."""
        await self.wait_for_line(*words, within=PATIENCE)

    def freeze(self) -> None:
        """SIGSTOP: as a machine that hangs."""
        self.send(signal.SIGSTOP)

    def wake(self) -> None:
        """SIGCONT: it continues where it was."""
        self.send(signal.SIGCONT)

    def tell_to_stop(self) -> None:
        """SIGTERM: it ends once what runs has ended."""
        self.send(signal.SIGTERM)


@asynccontextmanager
async def worker_process(
    scene: Scene, command: tuple[str, ...] = WORKER, checkout: Path = CHECKOUT, /, **more: str
) -> AsyncIterator[WorkerProcess]:
    """The command, once it is ready, with `more` in its environment. What is left of it at the end is killed."""
    with tempfile.TemporaryDirectory(prefix="worker-") as folder:
        worker = WorkerProcess(
            command,
            log_file=Path(folder) / "log",
            environment=environment(scene.client, scene.settings) | more,
            checkout=checkout,
        )
        try:
            await worker.says('"worker_ready"')
            yield worker
        finally:
            worker.kill()


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
