"""Starting a notification's workflow outside of a scan: a test, an alert, what an operator sends again."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy

from contracts import Channel, StartableNotification, TaskQueue, task_queue
from settings import Settings
from workflows import search_attributes
from workflows.send_notification import SendNotificationWorkflow
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
