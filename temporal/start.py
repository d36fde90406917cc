"""Starting workflows outside of a scan: a test, an alert, what an operator sends again or a pause has held back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy

from contracts.queues import Channel, TaskQueue, task_queue
from contracts.scanning import StartHeldInput
from contracts.sending import StartableNotification
from settings import Settings
from workflows import search_attributes
from workflows.send_notification import SendNotificationWorkflow
from workflows.start_held import START_HELD, StartHeldWorkflow
from workflows.summaries import notification_details, notification_summary


async def start_notification(
    client: Client,
    settings: Settings,
    notification: StartableNotification,
    *,
    reopened: Channel | None = None,
    rpc_timeout: timedelta | None = None,
) -> None:
    """Starts the workflow; with `reopened`, one that runs already is told to try that channel again.

    May run twice: what was accepted is not sent again. Raises `WorkflowAlreadyStartedError` (not with `reopened`)
    and `RPCError`.
    """
    options = settings.send_options()
    conflict = WorkflowIDConflictPolicy.UNSPECIFIED if reopened is None else WorkflowIDConflictPolicy.USE_EXISTING
    await client.start_workflow(
        SendNotificationWorkflow.run,
        notification.send_input(options),
        id=notification.workflow_id,
        task_queue=task_queue(options.queue_prefix, TaskQueue.WORKFLOWS),
        id_conflict_policy=conflict,
        search_attributes=search_attributes.of_notification(notification),
        static_summary=notification_summary(notification),
        static_details=notification_details(options.api_url, notification.notification_id),
        start_signal="reopened" if reopened else None,
        start_signal_args=[reopened] if reopened else [],
        rpc_timeout=rpc_timeout,
    )


async def start_held_now(client: Client, settings: Settings) -> None:
    """Starts what a pause has held back, as far as no quiet time holds it. May run twice. Raises `RPCError`."""
    options = settings.send_options()
    input = StartHeldInput(options, datetime.now(UTC))
    await client.start_workflow(
        StartHeldWorkflow.run,
        input,
        id=START_HELD,
        task_queue=task_queue(options.queue_prefix, TaskQueue.WORKFLOWS),
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        start_signal="wake",
        start_signal_args=[input],
        static_summary="Start what was held back",
    )
