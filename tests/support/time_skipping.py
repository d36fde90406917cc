"""A scene on Temporal's time-skipping test server: what a workflow waits for is over at once.

Only Temporal's time is skipped. The database, the activities and the stand-ins live on the real clock, so that what
is due, held or too late by the database's clock is not to be tested here without preparing its answers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.outcomes import OutcomeActivities
from channels.configured import send_options
from contracts.keys import NotificationType
from contracts.queues import WORKFLOWS, task_queue
from contracts.scanning import StartableNotification, TakeStartableInput, TakeStartableResult
from contracts.sending import SendNotificationInput, SendNotificationResult
from local.stand_ins.smtp_sink import SmtpSink
from local.stand_ins.telegram_api import TelegramApi
from settings import Settings
from temporal.runners import SANDBOXED
from tests.replay.replaying import replay
from tests.support.data import Platform
from worker import build_workers
from workflows.registry import WORKFLOW_TYPES
from workflows.send_notification import SendNotificationWorkflow

TakeStartable = Callable[[datetime, TakeStartableInput], TakeStartableResult]
"""What the database would answer at that moment of Temporal's time."""


@dataclass(frozen=True)
class SkippingScene:
    """One test's server, database and stand-ins."""

    environment: WorkflowEnvironment
    engine: AsyncEngine
    settings: Settings
    platform: Platform
    sink: SmtpSink
    telegram: TelegramApi

    @asynccontextmanager
    async def workers(self, take_startable: TakeStartable | None = None) -> AsyncIterator[None]:
        """Serves all queues with the real activities; the scan's one that hands over is answered as prepared."""
        database: list[Callable[..., Any]] = [OutcomeActivities(self.engine).record_outcome]
        if take_startable is not None:
            database.append(_prepared(take_startable))
        async with AsyncExitStack() as stack:
            client = self.environment.client
            channels = await build_workers(self.settings, client, self.engine, ("email", "telegram"), stack, SANDBOXED)
            queue = task_queue(self.settings.task_queue_prefix, WORKFLOWS)
            for worker in (
                *channels,
                Worker(
                    client, task_queue=queue, workflows=WORKFLOW_TYPES, workflow_runner=SANDBOXED, activities=database
                ),
            ):
                await stack.enter_async_context(worker)
            yield

    async def notification(self, lasts: timedelta) -> StartableNotification:
        """An open notice of an item that ends after that time."""
        ends_at = datetime.now(UTC) + lasts
        project = await self.platform.project(await self.platform.company(), expires_at=ends_at)
        notification_id = await self.platform.notification(project)
        [row] = await self.platform.notifications()
        return StartableNotification(
            notification_id, NotificationType.EXPIRING, row.workflow_id, ends_at, row.company_id, project, row.days_left
        )

    async def send(
        self, notification: StartableNotification
    ) -> WorkflowHandle[SendNotificationWorkflow, SendNotificationResult]:
        """The notice's workflow, which has ended and can be replayed."""
        input: SendNotificationInput = notification.send_input(send_options(self.settings))
        handle = await self.environment.client.start_workflow(
            SendNotificationWorkflow.run,
            input,
            id=notification.workflow_id,
            task_queue=task_queue(self.settings.task_queue_prefix, WORKFLOWS),
        )
        await handle.result()
        await replay(await handle.fetch_history())
        return handle


def _prepared(take_startable: TakeStartable) -> Callable[..., Any]:
    @activity.defn(name="take_startable")
    async def prepared(input: TakeStartableInput) -> TakeStartableResult:
        return take_startable(activity.info().current_attempt_scheduled_time, input)

    return prepared


async def took(handle: WorkflowHandle[Any, Any]) -> timedelta:
    """How long the workflow ran, on Temporal's clock."""
    description = await handle.describe()
    assert description.close_time is not None
    return description.close_time - description.start_time
