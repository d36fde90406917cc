"""The worker: runs workflows and activities until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta

import httpx
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.worker import PollerBehaviorAutoscaling, Worker

import process
from activities.due_items import DueItemActivities
from activities.email import EmailActivities
from activities.interceptor import ActivityObserver
from activities.outcomes import OutcomeActivities
from activities.telegram import TelegramActivities
from contracts import TaskQueue, task_queue
from db.engine import create_engine
from log_setup import configure_logging
from rendering import Renderer
from settings import Settings, SettingsError
from temporal_connection import connect, register_search_attributes
from workflows.scan_expiring import ScanExpiringWorkflow
from workflows.send_notification import SendNotificationWorkflow

GRACEFUL_SHUTDOWN = timedelta(seconds=30)
WORKFLOWS = [ScanExpiringWorkflow, SendNotificationWorkflow]

log = structlog.get_logger(__name__)


async def run_worker(settings: Settings, client: Client, queues: Sequence[TaskQueue], stop: asyncio.Event) -> None:
    """Serves the queues until `stop` is set, then lets what runs end, for 30 seconds at most.

    Raises `SettingsError` where nothing could be sent at all.
    """
    settings.require_a_channel()
    async with AsyncExitStack() as stack:
        engine = create_engine(settings, "worker")
        stack.push_async_callback(engine.dispose)
        for worker in await _workers(settings, client, engine, queues, stack):
            await stack.enter_async_context(worker)
        log.info("worker_ready", queues=[queue.value for queue in queues], namespace=client.namespace)
        await stop.wait()
        log.info("worker_stopping")
    log.info("worker_stopped")


async def _workers(
    settings: Settings,
    client: Client,
    engine: AsyncEngine,
    queues: Sequence[TaskQueue],
    stack: AsyncExitStack,
) -> list[Worker]:
    renderer = Renderer(settings.renew_url_template, settings.support_email)
    workers = []
    for queue in queues:
        workflows: list[type] = []
        activities: list[object] = []
        match queue:
            case TaskQueue.WORKFLOWS:
                due_items = DueItemActivities(engine, settings)
                workflows = list(WORKFLOWS)
                activities = [
                    due_items.open_due_notifications,
                    due_items.take_startable,
                    OutcomeActivities(engine).record_outcome,
                ]
            case TaskQueue.EMAIL:
                email = EmailActivities(engine, settings, renderer)
                stack.push_async_callback(email.close)
                activities = [email.send_email]
            case TaskQueue.TELEGRAM:
                http = await stack.enter_async_context(_http_client(settings))
                activities = [TelegramActivities(engine, settings, renderer, http).send_telegram]
        workers.append(
            Worker(
                client,
                task_queue=task_queue(settings.task_queue_prefix, queue),
                workflows=workflows,
                activities=activities,  # type: ignore[arg-type]  # bound methods of three classes
                interceptors=[ActivityObserver()],
                max_concurrent_activities=settings.worker_concurrency,
                max_concurrent_local_activities=settings.worker_concurrency,
                graceful_shutdown_timeout=GRACEFUL_SHUTDOWN,
                workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
                activity_task_poller_behavior=PollerBehaviorAutoscaling(),
            )
        )
    return workers


def _http_client(settings: Settings) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        timeout=httpx.Timeout(settings.telegram_attempt_timeout, connect=10, pool=10),
        limits=httpx.Limits(max_connections=settings.worker_concurrency),
        follow_redirects=False,
    )


async def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 after a stop on SIGTERM or SIGINT, 1 if a server is away at the start, 2 for a wrong setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--queues",
        type=_queues,
        default=list(TaskQueue),
        help="comma-separated: " + ",".join(TaskQueue) + " (default: all)",
    )
    options = parser.parse_args(arguments)
    stop = process.stop_on_signals()
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
    await run_worker(settings, client, options.queues, stop)
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
    process.run(main)
