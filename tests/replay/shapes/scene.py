"""What a shape is played on, and the steps that many of them take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from temporalio.client import Client, WorkflowHistory

from channels.registry import all_queues
from local.embedded.postgres import EmbeddedPostgres
from local.stand_ins.smtp_sink import SmtpSink
from local.stand_ins.telegram_api import TelegramApi
from settings import Settings
from tests.support.data import Platform
from tests.support.scanning import finished, scan, start_scan
from worker import run_worker


@dataclass(frozen=True)
class Scene:
    """The servers a shape is played on; each has a database and a namespace of its own."""

    client: Client
    settings: Settings
    platform: Platform
    sink: SmtpSink
    telegram: TelegramApi
    postgres: EmbeddedPostgres

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        serving = asyncio.create_task(run_worker(self.settings, self.client, list(all_queues()), stop))
        try:
            yield
        finally:
            stop.set()
            await serving

    async def history(self, workflow_id: str, run_id: str | None = None) -> WorkflowHistory:
        return await self.client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()

    async def sent(self) -> WorkflowHistory:
        """Scans and returns the history of the only notification's workflow."""
        async with self.worker():
            await scan(self.client, self.settings)
            [notification] = await self.platform.notifications()
            await finished(self.client, notification.workflow_id)
        return await self.history(notification.workflow_id)


async def scanned(scene: Scene, **input_fields: object) -> list[WorkflowHistory]:
    async with scene.worker():
        handle = await start_scan(scene.client, scene.settings, **input_fields)
        await handle.result()
        for notification in await scene.platform.notifications():
            await finished(scene.client, notification.workflow_id)
    return await runs_of(scene, handle.id, handle.first_execution_run_id)


async def runs_of(scene: Scene, workflow_id: str, first_run_id: str | None) -> list[WorkflowHistory]:
    """The histories of a workflow's runs, in the order in which each continued the one before."""
    histories = []
    run_id = first_run_id
    while run_id:
        history = await scene.history(workflow_id, run_id)
        histories.append(history)
        run_id = history.events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return histories
