"""Starts workflows outside of a scan: for a test, an alert, a resend, or what a pause held."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from channels.configured import send_options
from contracts.queues import WORKFLOWS, task_queue
from contracts.scanning import StartableNotification, StartHeldInput
from contracts.sending import ReopenedDelivery, SendOptions
from db.engine import autocommit
from db.errors import DATABASE_ERRORS, describe
from db.record.startable import mark_started
from settings import Settings
from workflows import search_attributes
from workflows.send_notification import SendNotificationWorkflow
from workflows.start_held import START_HELD, StartHeldWorkflow
from workflows.summaries import notification_details, notification_summary

log = structlog.get_logger(__name__)


async def start_and_mark(
    client: Client,
    options: SendOptions,
    engine: AsyncEngine,
    notification: StartableNotification,
    *,
    reopened: ReopenedDelivery | None = None,
    rpc_timeout: timedelta | None = None,
) -> None:
    """Starts the workflow of an open notification, and records that it has one.

    With `reopened`, a workflow that is already running is signalled to try that delivery again. May run twice: what was
    accepted is not sent again. Raises `RPCError` if Temporal did not start it. If only the mark could not be written,
    the next scan starts the workflow again, which then sends nothing.
    """
    try:
        await _start(client, options, notification, reopened, rpc_timeout)
    except WorkflowAlreadyStartedError:
        log.info("workflow_already_started", notification_id=notification.notification_id)
    try:
        async with autocommit(engine).connect() as connection:
            await mark_started(connection, [notification.notification_id])
    except DATABASE_ERRORS as error:
        log.warning("start_not_marked", notification_id=notification.notification_id, error=describe(error))


async def _start(
    client: Client,
    options: SendOptions,
    notification: StartableNotification,
    reopened: ReopenedDelivery | None,
    rpc_timeout: timedelta | None,
) -> None:
    signal = notification.signal_of(reopened) if reopened else None
    conflict = WorkflowIDConflictPolicy.UNSPECIFIED if reopened is None else WorkflowIDConflictPolicy.USE_EXISTING
    await client.start_workflow(
        SendNotificationWorkflow.run,
        notification.send_input(options),
        id=notification.workflow_id,
        task_queue=task_queue(options.queue_prefix, WORKFLOWS),
        id_conflict_policy=conflict,
        search_attributes=search_attributes.of_notification(notification),
        static_summary=notification_summary(notification),
        static_details=notification_details(options.api_url, notification.notification_id),
        start_signal=signal.name if signal else None,
        start_signal_args=[signal.argument] if signal else [],
        rpc_timeout=rpc_timeout,
    )


async def start_held_now(client: Client, settings: Settings) -> None:
    """Starts what a pause held, unless quiet hours hold it. May run twice. Raises `RPCError`."""
    options = send_options(settings)
    input = StartHeldInput(options, datetime.now(UTC))
    await client.start_workflow(
        StartHeldWorkflow.run,
        input,
        id=START_HELD,
        task_queue=task_queue(options.queue_prefix, WORKFLOWS),
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        start_signal="wake",
        start_signal_args=[input],
        static_summary="Start held notifications",
    )
