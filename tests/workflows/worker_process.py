"""`worker.py` as a process of its own, to be stopped and killed."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import SecretStr
from temporalio.client import Client

from local.programs import Program
from settings import Settings
from tests.workflows.scene import PATIENCE, Scene

WORKER = ("worker.py",)
CRASHING_WORKER = ("-m", "tests.workflows.crashing_worker")


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
async def worker_process(scene: Scene, command: tuple[str, ...] = WORKER) -> AsyncIterator[WorkerProcess]:
    """The command, once it is ready. What is left of it at the end is killed."""
    with tempfile.TemporaryDirectory(prefix="worker-") as folder:
        worker = WorkerProcess(
            command, log_file=Path(folder) / "log", environment=environment(scene.client, scene.settings)
        )
        try:
            await worker.says('"worker_ready"')
            yield worker
        finally:
            worker.kill()


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
