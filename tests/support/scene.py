"""What tests and recorded histories play on: the servers, and the steps that nearly all of them take."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client, WorkflowHandle, WorkflowHistory

from channels.registry import all_queues
from contracts.deactivating import DeactivateExpiredResult
from contracts.scanning import ScanExpiringResult
from contracts.sending import SendNotificationResult
from local.embedded.postgres import EmbeddedPostgres
from local.stand_ins.smtp_sink import SmtpSink
from local.stand_ins.telegram_api import TelegramApi
from settings import Settings
from tests.support.data import Platform
from tests.support.scanning import all_finished, deactivate, scan
from tests.support.serving import RunWorker
from workflows.send_notification import SendNotificationWorkflow

EMAIL = "anna@customer.example"
CHAT = 77
PATIENCE = 60.0
"""Seconds that a test waits for what must come, however busy the machine is."""


@dataclass(frozen=True)
class Scene:
    """A database, a namespace and stand-ins of its own. Nothing runs in it until a worker does."""

    client: Client
    settings: Settings
    platform: Platform
    sink: SmtpSink
    telegram: TelegramApi
    postgres: EmbeddedPostgres
    run_worker: RunWorker

    def with_settings(self, **values: object) -> Scene:
        """The same with other settings, by their field names."""
        return replace(self, settings=self.settings.model_copy(update=values))

    def worker(self, *queues: str) -> AbstractAsyncContextManager[None]:
        """Serves all queues, or those given."""
        return self.run_worker(self.settings, queues or tuple(all_queues()))

    async def due_project(self, **company: Any) -> int:
        """A project about to end, of a company reached as `EMAIL` and `CHAT` unless said otherwise."""
        owner = await self.platform.company(**{"contact_email": EMAIL, "telegram_chat_id": CHAT} | company)
        return await self.platform.project(owner)

    async def scan(self) -> ScanExpiringResult:
        return await scan(self.client, self.settings)

    async def deactivate(self) -> DeactivateExpiredResult:
        return await deactivate(self.client, self.settings)

    async def children_end(self) -> None:
        """Waits for the workflow of every notification."""
        await all_finished(self.client, [each.workflow_id for each in await self.platform.notifications()])

    async def scan_and_send(self) -> None:
        """A worker, a scan, and its children to their end."""
        async with self.worker():
            await self.scan()
            await self.children_end()

    async def child(self) -> WorkflowHandle[SendNotificationWorkflow, SendNotificationResult]:
        """The workflow of the only notification."""
        notification = await self.notification()
        return self.client.get_workflow_handle_for(SendNotificationWorkflow.run, notification.workflow_id)

    async def history(self, workflow_id: str = "", run_id: str | None = None) -> WorkflowHistory:
        """Of a workflow's run; without an id, of the only notification's workflow."""
        workflow_id = workflow_id or (await self.notification()).workflow_id
        return await self.client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()

    async def notification(self) -> Any:
        """The only notification's row, alerts left aside."""
        [notification] = [each for each in await self.platform.notifications() if each.notification_type != "alert"]
        return notification

    async def delivery(self, channel: str) -> Any:
        """Its delivery's row on a channel."""
        notification = await self.notification()
        [delivery] = [
            each for each in await self.platform.deliveries(channel) if each.notification_id == notification.id
        ]
        return delivery

    async def disconnected(self) -> None:
        """Ends every connection to the stand-ins, as those of a dead client end: what waits at a gate is dropped."""
        for server in (self.sink, self.telegram):
            await server.stop()
            await server.start()

    async def delivery_becomes(self, channel: str, status: str) -> None:
        """Waits until the only delivery on a channel stands so."""
        async with asyncio.timeout(PATIENCE):
            while (await self.delivery(channel)).status != status:
                await asyncio.sleep(0.05)  # the database tells nobody

    async def put_off(self, channel: str, reason: str) -> PendingActivityInfo:
        """Waits until the last attempt on a channel failed so and another is to follow, and returns how it stands."""
        child = await self.child()
        async with asyncio.timeout(PATIENCE):
            while True:
                for pending in (await child.describe()).raw_description.pending_activities:
                    failure = pending.last_failure.application_failure_info
                    if pending.activity_type.name == f"send_{channel}" and failure.type == reason:
                        return pending
                await asyncio.sleep(0.05)  # the server tells nobody

    async def held_once_more(self, channel: str) -> None:
        """Waits until another attempt on a channel has found the sending paused."""
        before = await self.put_off(channel, "paused")
        async with asyncio.timeout(PATIENCE):
            while (await self.put_off(channel, "paused")).attempt == before.attempt:
                await asyncio.sleep(0.05)  # the server tells nobody

    async def ends(self) -> tuple[str, str, str]:
        """How the only notification ended, its e-mail and its Telegram message."""
        email, telegram = await self.delivery("email"), await self.delivery("telegram")
        return (await self.notification()).status, email.status, telegram.status


def events(history: WorkflowHistory, name: str) -> list[HistoryEvent]:
    """The events of a type, such as `ACTIVITY_TASK_FAILED`."""
    wanted = EventType.Value(f"EVENT_TYPE_{name}")
    return [event for event in history.events if event.event_type == wanted]
