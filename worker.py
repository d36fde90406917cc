"""The worker: runs workflows and activities until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.worker import PollerBehaviorAutoscaling, Worker, WorkflowRunner

from activities.alerts import Alerts
from activities.deactivation import DeactivationActivities
from activities.due_items import DueItemActivities
from activities.email import EmailActivities
from activities.health.check import HealthActivities
from activities.health.outage import OutageActivities
from activities.interceptor import ActivityObserver
from activities.outcomes import OutcomeActivities
from activities.recovery import RecoveryActivities
from activities.telegram import TelegramActivities
from channels.telegram import bot_api
from contracts.queues import TaskQueue, task_queues
from db.engine import create_engine
from runtime import leaving, signals
from runtime.logs import configure_logging
from settings import Settings, SettingsError
from temporal import rate_limits, schedules
from temporal.client import connect, register_search_attributes
from temporal.runners import UNSANDBOXED
from temporal.start import start_notification
from texts.languages import LanguageError
from texts.renderer import Renderer
from workflows.check_health import CheckHealthWorkflow
from workflows.deactivate_expired import DeactivateExpiredWorkflow
from workflows.scan_expiring import ScanExpiringWorkflow
from workflows.send_notification import SendNotificationWorkflow
from workflows.start_held import StartHeldWorkflow

GRACEFUL_SHUTDOWN = timedelta(seconds=30)
HEALTH_CONNECTIONS = 10
WORKFLOWS: list[type] = [
    CheckHealthWorkflow,
    DeactivateExpiredWorkflow,
    ScanExpiringWorkflow,
    SendNotificationWorkflow,
    StartHeldWorkflow,
]

log = structlog.get_logger(__name__)


async def run_worker(
    settings: Settings,
    client: Client,
    queues: Sequence[TaskQueue],
    stop: asyncio.Event,
    runner: WorkflowRunner = UNSANDBOXED,
) -> None:
    """Serves the queues until `stop` is set, then lets what runs end, for 30 seconds at most.

    Raises `SettingsError` where nothing could be sent at all.
    """
    settings.require_a_channel()
    async with AsyncExitStack() as stack:
        engine = create_engine(settings, "worker")
        stack.push_async_callback(engine.dispose)
        await rate_limits.apply(client, settings, queues)
        workers = await build_workers(settings, client, engine, queues, stack, runner)
        async with _running(workers):
            log.info("worker_ready", queues=[queue.value for queue in queues], namespace=client.namespace)
            await stop.wait()
            log.info("worker_stopping")
    log.info("worker_stopped")


@asynccontextmanager
async def _running(workers: Sequence[Worker]) -> AsyncIterator[None]:
    """Runs them meanwhile. At the end all stop side by side: one after the other would take as often 30 seconds."""
    async with asyncio.TaskGroup() as running:
        for worker in workers:
            running.create_task(worker.run())
        try:
            yield
        finally:
            await asyncio.gather(*(worker.shutdown() for worker in workers))


async def build_workers(
    settings: Settings,
    client: Client,
    engine: AsyncEngine,
    queues: Sequence[TaskQueue],
    stack: AsyncExitStack,
    runner: WorkflowRunner,
) -> list[Worker]:
    """A worker for each task queue; a channel has a second one for what is urgent, with the same activities."""
    renderer = Renderer(settings.renew_url_template, settings.support_email)
    alerts = Alerts(engine, settings, partial(start_notification, client, settings))
    workers: list[Worker] = []

    def serve(queue: TaskQueue, activities: list[Any], workflows: Sequence[type] = ()) -> None:
        for name in task_queues(settings.task_queue_prefix, queue):
            workers.append(
                Worker(
                    client,
                    task_queue=name,
                    workflows=workflows,
                    activities=activities,
                    workflow_runner=runner,
                    interceptors=[ActivityObserver()],
                    max_concurrent_activities=settings.worker_concurrency,
                    max_concurrent_local_activities=settings.worker_concurrency,
                    graceful_shutdown_timeout=GRACEFUL_SHUTDOWN,
                    workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
                    activity_task_poller_behavior=PollerBehaviorAutoscaling(),
                )
            )

    for queue in queues:
        match queue:
            case TaskQueue.WORKFLOWS:
                due_items = DueItemActivities(engine, settings, alerts)
                recovery = RecoveryActivities(engine, client)
                outcomes = OutcomeActivities(engine)
                database = [
                    due_items.open_due_notifications,
                    due_items.take_startable,
                    DeactivationActivities(engine, settings, alerts).deactivate_ended,
                    recovery.recover_lost,
                    outcomes.record_outcome,
                ]
                health = await _health_activities(settings, client, stack)
                serve(queue, [*database, *health], WORKFLOWS)
            case TaskQueue.EMAIL:
                email = EmailActivities(engine, settings, renderer, alerts)
                stack.push_async_callback(email.close)
                serve(queue, [email.send_email])
            case TaskQueue.TELEGRAM:
                http = await stack.enter_async_context(bot_api.new_client(settings.worker_concurrency))
                serve(queue, [TelegramActivities(engine, settings, renderer, http, alerts).send_telegram])
    return workers


async def _health_activities(settings: Settings, client: Client, stack: AsyncExitStack) -> list[Any]:
    """Those of the health check, with connections of their own: it must not wait for those that it looks after."""
    engine = create_engine(settings, "health", pooled=False)
    stack.push_async_callback(engine.dispose)
    alerts = Alerts(engine, settings, partial(start_notification, client, settings))
    http = await stack.enter_async_context(bot_api.new_client(HEALTH_CONNECTIONS))
    check = HealthActivities(engine, settings, client, http, alerts, schedules.watched(settings))
    outage = OutageActivities(settings, http, alerts)
    return [check.check_health, check.ping, outage.alert_directly, outage.record_outage]


async def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 after a stop on SIGTERM or SIGINT, 1 if a server is away at the start, 2 for a wrong setting or
    templates that lack something."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--queues",
        type=_queues,
        default=list(TaskQueue),
        help="comma-separated: " + ",".join(TaskQueue) + " (default: all)",
    )
    options = parser.parse_args(arguments)
    stop = signals.stop_on_signals()
    try:
        settings = Settings.load()
        configure_logging(settings.log_format, settings.log_level)
        settings.require_a_channel()
        settings.database()
    except SettingsError as error:
        sys.stderr.write(f"worker: {error}\n")
        return 2
    try:
        client = await connect()
        await register_search_attributes(client)
        await _check_database(settings)
    except Exception as error:
        log.error("worker_cannot_start", error=f"{type(error).__name__}: {error}")
        return 1
    try:
        await run_worker(settings, client, options.queues, stop)
    except LanguageError as error:
        sys.stderr.write(f"worker: {error}\n")
        return 2
    return 0


def _queues(value: str) -> list[TaskQueue]:
    try:
        return [TaskQueue(name.strip()) for name in value.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; there are {', '.join(TaskQueue)}") from None


async def _check_database(settings: Settings) -> None:
    engine = create_engine(settings, "worker")
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1 FROM notifications LIMIT 1"))
    finally:
        await engine.dispose()


if __name__ == "__main__":
    leaving.run(main)
