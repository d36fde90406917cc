"""Runs workflows and activities until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.worker import PollerBehaviorAutoscaling, Worker, WorkflowRunner

from activities.alerts import Alerts
from activities.attempt import DeliveryAttempts
from activities.daily_summary import SummaryActivities
from activities.deactivation import DeactivationActivities
from activities.due_items import DueItemActivities
from activities.health.check import HealthActivities
from activities.health.outage import OutageActivities
from activities.interceptor import ActivityObserver
from activities.metric_zeros import start_at_zero
from activities.metrics import start_metrics
from activities.outcomes import OutcomeActivities
from activities.recovery import RecoveryActivities
from activities.retention import RetentionActivities
from activities.state_reader import StateReader
from activities.stops import StopActivities
from channels.configured import configured_channels, new_renderer, require_to_send, scrub, send_options
from channels.registry import all_queues, find_channel, queues_named
from contracts.queues import WORKFLOWS, task_queues
from db.engine import create_engine
from db.revision import newest_revision, require_usable
from runtime import leaving, signals
from runtime.http_client import CertificatesError, certificates, new_http_client
from runtime.listening import ListenError
from runtime.logs import configure_logging
from runtime.probes import Probes
from runtime.this_host import this_process
from settings import Settings, SettingsError
from temporal import schedules
from temporal.attributes import register_search_attributes
from temporal.client import connect
from temporal.deployment import deployment_config
from temporal.readiness import worker_readiness
from temporal.reasons import why_away
from temporal.rotation import current_credentials
from temporal.runners import UNSANDBOXED
from temporal.start import start_and_mark
from temporal.stops import TemporalStops
from temporal.tracing import start_tracing
from temporal.waits import TemporalWaits
from texts.languages import LanguageError
from texts.renderer import Renderer
from texts.summary import SummaryTexts
from workflows.registry import WORKFLOW_TYPES

if TYPE_CHECKING:
    from temporal.traces import Tracing

GRACEFUL_SHUTDOWN = timedelta(seconds=30)
HEALTH_CONNECTIONS = 10
HTTP_TIMEOUT = 30.0
"""Seconds for each step of a call to the API or the external monitor. The probe limits the whole call."""

log = structlog.get_logger(__name__)


async def run_worker(
    settings: Settings,
    client: Client,
    queues: Sequence[str],
    stop: asyncio.Event,
    runner: WorkflowRunner = UNSANDBOXED,
    probes: Probes | None = None,
    tracing: Tracing | None = None,
) -> None:
    """Serves the queues until `stop` is set, then waits up to 30 seconds for running tasks. `probes` say meanwhile
    whether it can.

    Raises `SettingsError` if no channel is configured, or a setting is missing that sending needs.
    """
    require_to_send(settings)
    probes = probes or Probes()
    async with AsyncExitStack() as stack:
        engine = create_engine(settings, "worker")
        stack.push_async_callback(engine.dispose)
        probing = create_engine(settings, "probes", pooled=False)
        stack.push_async_callback(probing.dispose)
        await TemporalStops(client, settings, engine).start(queues)
        workers = await build_workers(settings, client, engine, queues, stack, runner, tracing)
        start_at_zero(client, settings.task_queue_prefix, queues)
        async with (
            _reading_state(settings, client, queues),
            current_credentials(client, workers),
            _running(workers),  # the last, so that it is the first to stop: nothing delays it
        ):
            log.info("worker_ready", queues=list(queues), namespace=client.namespace, **_version(workers))
            probes.ready_if(worker_readiness(workers, client, probing))
            await stop.wait()
            probes.not_ready("stopping")
            log.info("worker_stopping")
    log.info("worker_stopped")


def _version(workers: Sequence[Worker]) -> dict[str, str]:
    """Returns what the log says of the workers' version, if they have one."""
    for worker in workers:
        if deployment := worker.config().get("deployment_config"):
            return {"deployment": deployment.version.deployment_name, "build_id": deployment.version.build_id}
    return {}


@asynccontextmanager
async def _running(workers: Sequence[Worker]) -> AsyncIterator[None]:
    """Runs the workers during the block. At its end it stops all of them at once, since each may take 30 seconds."""
    async with asyncio.TaskGroup() as running:
        for worker in workers:
            running.create_task(worker.run())
        try:
            yield
        finally:
            await asyncio.gather(*(worker.shutdown() for worker in workers))


@asynccontextmanager
async def _reading_state(settings: Settings, client: Client, queues: Sequence[str]) -> AsyncIterator[None]:
    """Reads the state of the database for the metrics during the block, if this worker exports any and may read it."""
    if settings.metrics_address is None or WORKFLOWS not in queues:
        yield
        return
    engine = create_engine(settings, "metrics", pooled=False)
    reader = StateReader(engine, client, settings, schedules.watched_schedules(settings), this_process())
    stop = asyncio.Event()
    running = asyncio.create_task(reader.run(stop))
    try:
        yield
    finally:
        stop.set()
        await running
        await engine.dispose()


async def build_workers(
    settings: Settings,
    client: Client,
    engine: AsyncEngine,
    queues: Sequence[str],
    stack: AsyncExitStack,
    runner: WorkflowRunner,
    tracing: Tracing | None = None,
) -> list[Worker]:
    """Builds a worker for each task queue. A channel has two queues, a normal and an urgent one, with the same
    activities.

    Raises `LanguageError` if a template is missing.
    """
    renderer = new_renderer(settings)
    alerts = Alerts(engine, settings, partial(start_and_mark, client, send_options(settings), engine))
    stops = TemporalStops(client, settings, engine)
    workers: list[Worker] = []
    deployment = deployment_config(settings)

    def serve(queue: str, activities: list[Any], workflows: Sequence[type] = ()) -> None:
        workers.extend(
            Worker(
                client,
                task_queue=name,
                workflows=workflows,
                activities=activities,
                workflow_runner=runner,
                interceptors=[ActivityObserver(alerts)],
                max_concurrent_activities=settings.worker_concurrency,
                max_concurrent_local_activities=settings.worker_concurrency,
                graceful_shutdown_timeout=GRACEFUL_SHUTDOWN,
                deployment_config=deployment,
                workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
                activity_task_poller_behavior=PollerBehaviorAutoscaling(),
            )
            for name in task_queues(settings.task_queue_prefix, queue)
        )

    for channel in filter(None, map(find_channel, queues)):
        at_a_time = settings.worker_concurrency * len(task_queues(settings.task_queue_prefix, channel.name))
        sender = await stack.enter_async_context(channel.open(settings, renderer, at_a_time))
        if tracing is not None:
            sender = tracing.sender(sender, channel.name)
        attempts = DeliveryAttempts(engine, settings, alerts, stops, channel, sender, TemporalWaits(client))
        serve(channel.name, [attempts.send_activity()])
    if WORKFLOWS in queues:
        next_scan = schedules.next_scan(client, settings)
        due_items = DueItemActivities(engine, settings, alerts, next_scan)
        summary = SummaryActivities(engine, settings, alerts, next_scan, SummaryTexts(settings.admin_locale))
        retention = RetentionActivities(engine, settings)
        database = [
            due_items.open_due_notifications,
            due_items.take_startable,
            DeactivationActivities(engine, settings, alerts).deactivate_ended,
            RecoveryActivities(engine, client).recover_lost,
            OutcomeActivities(engine).record_outcome,
            StopActivities(stops).resume_channel,
            summary.open_daily_summary,
            retention.remove_texts,
            retention.remove_records,
        ]
        health = await _health_activities(settings, client, engine, renderer, stack)
        serve(WORKFLOWS, [*database, *health], WORKFLOW_TYPES)
    return workers


async def _health_activities(
    settings: Settings, client: Client, work: AsyncEngine, renderer: Renderer, stack: AsyncExitStack
) -> list[Any]:
    """Builds the activities of the health check. They have their own connections, so that they do not wait for those
    of `work`, which they check."""
    engine = create_engine(settings, "health", pooled=False)
    stack.push_async_callback(engine.dispose)
    alerts = Alerts(engine, settings, partial(start_and_mark, client, send_options(settings), engine))
    senders = {
        channel.name: await stack.enter_async_context(channel.open(settings, renderer, HEALTH_CONNECTIONS))
        for channel in configured_channels(settings)
    }
    http = await stack.enter_async_context(new_http_client(HTTP_TIMEOUT))
    watched, next_scan = schedules.watched_schedules(settings), schedules.next_scan(client, settings)
    check = HealthActivities(engine, work, settings, client, http, senders, alerts, watched, next_scan)
    outage = OutageActivities(settings, senders, alerts)
    return [check.check_health, check.ping, outage.alert_directly, outage.record_outage]


async def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the worker. Exit status: 0 after SIGTERM or SIGINT, 1 if at the start a server is away or the code does
    not work on the database's revision, 2 for a wrong setting or a missing template."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--queues",
        type=_queues,
        default=all_queues(),
        help=f"task queues to serve, comma-separated: {','.join(all_queues())} (default: all)",
    )
    options = parser.parse_args(arguments)
    stop = signals.stop_on_signals()
    try:
        settings = Settings.load()
        configure_logging(settings.log_format, settings.log_level, scrub)
        require_to_send(settings)
        settings.database()
        certificates()
    except (SettingsError, CertificatesError) as error:
        sys.stderr.write(f"worker: {error}\n")
        return 2
    probes = Probes()
    tracing = start_tracing(settings, "expiry-worker")
    try:
        async with probes.serving(settings.health_address):
            return await _start(settings, options.queues, stop, probes, tracing)
    except ListenError as error:
        sys.stderr.write(f"worker: HEALTH_ADDRESS: {error}\n")
        return 2
    finally:
        if tracing is not None:
            await tracing.stop()


async def _start(
    settings: Settings, queues: Sequence[str], stop: asyncio.Event, probes: Probes, tracing: Tracing | None
) -> int:
    try:
        runtime = start_metrics("METRICS_ADDRESS", settings.metrics_address)
        interceptors = [] if tracing is None else [tracing.interceptor]
        client = await connect(identity=this_process(), runtime=runtime, interceptors=interceptors)
        await register_search_attributes(client)
        await _check_database(settings)
    except SettingsError as error:
        sys.stderr.write(f"worker: {error}\n")
        return 2
    except Exception as error:  # noqa: BLE001 - whatever it is: one line that says why, and the exit code
        log.error("worker_cannot_start", error=why_away(error))
        return 1
    try:
        await run_worker(settings, client, queues, stop, probes=probes, tracing=tracing)
    except LanguageError as error:
        sys.stderr.write(f"worker: {error}\n")
        return 2
    return 0


def _queues(value: str) -> list[str]:
    try:
        return queues_named(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


async def _check_database(settings: Settings) -> None:
    engine = create_engine(settings, "worker")
    try:
        async with engine.connect() as connection:
            if newer := await require_usable(connection):
                log.info("schema_of_a_newer_release", database=newer, code=newest_revision())
    finally:
        await engine.dispose()


if __name__ == "__main__":
    leaving.run(main)
