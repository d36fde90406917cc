"""What a test of the health check plays on: all that it looks at is there and well, until the test spoils it."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from temporalio.client import WorkflowHandle

from contracts.health import CheckHealthInput, HealthReport
from contracts.queues import WORKFLOWS, task_queue
from local.stand_ins.http_server import Answer, HttpServer, Outcome, Request
from temporal import schedules
from tests.support.scene import PATIENCE, Scene
from workflows.check_health import CheckHealthWorkflow

ADMIN = "admin@own.example"
ADMIN_CHAT = 471100000815
"""Long enough that no id in a history holds it by chance."""
PING_PATH = "/ping/a-secret-of-ours"


@dataclass
class Pages:
    """Where HEALTH_API_URL and HEALTH_PING_URL point: it answers as told, by default that all is well."""

    answers: dict[str, Outcome] = field(default_factory=dict)
    seen: list[Request] = field(default_factory=list)
    url: str = ""

    async def start(self) -> None:
        self._server = HttpServer(self._answer)
        self.url = f"http://127.0.0.1:{await self._server.start('127.0.0.1', 0)}"

    async def stop(self) -> None:
        await self._server.stop()

    async def _answer(self, request: Request) -> Outcome:
        self.seen.append(request)
        return self.answers.get(request.path, Answer(200, {}))

    def count(self, path: str) -> int:
        return sum(request.path == path for request in self.seen)


@dataclass(frozen=True)
class HealthScene:
    """A scene with the Schedules made, an admin on both channels, and an API that is ready."""

    scene: Scene
    pages: Pages

    def with_settings(self, **values: object) -> HealthScene:
        return replace(self, scene=self.scene.with_settings(**values))

    def worker(self, *queues: str) -> AbstractAsyncContextManager[None]:
        return self.scene.worker(*queues)

    async def start_check(self, **values: Any) -> WorkflowHandle[CheckHealthWorkflow, HealthReport]:
        """Starts one as the Schedule does; `values` are fields of its input."""
        input: CheckHealthInput = replace(schedules.health_input(self.scene.settings), **values)
        return await self.scene.client.start_workflow(
            CheckHealthWorkflow.run,
            input,
            id=f"check-health-{uuid4()}",
            task_queue=task_queue(self.scene.settings.task_queue_prefix, WORKFLOWS),
        )

    async def check(self, **values: object) -> HealthReport:
        return await (await self.start_check(**values)).result()

    async def check_until(self, code: str, *, there: bool) -> HealthReport:
        """Checks until the problem is found, or until it is not: what Temporal counts and lists lags behind."""
        async with asyncio.timeout(PATIENCE):
            while (code in (report := await self.check()).problems) != there:
                await asyncio.sleep(0.1)
        return report

    async def subjects(self) -> list[str]:
        """Of all alerts, in order."""
        return [each.subject for each in await self.scene.platform.notifications() if each.notification_type == "alert"]

    async def message(self, subject: str) -> str:
        """What the only alert with this subject says."""
        [alert] = [each for each in await self.scene.platform.notifications() if each.subject == subject]
        return str(alert.message)
