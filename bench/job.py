"""Measures the whole job: a scan by the application's own worker. It also checks that every notification arrived."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client

from bench import data
from bench.measure import BenchError, Measured, cpu_seconds, longest, now, runs_since, spent, wait_for_children
from contracts.queues import WORKFLOWS, task_queue
from db.migrate import upgrade
from local.embedded.postgres import EmbeddedPostgres
from local.embedded.temporal import EmbeddedTemporal
from local.programs import Program
from runtime.http_client import new_http_client
from settings import Settings
from temporal import schedules
from workflows.scan_expiring import ScanExpiringWorkflow
from workflows.send_notification import SendNotificationWorkflow

TEMPLATE = "template_migrated"
CHILD = SendNotificationWorkflow.__name__
FIRST_CHAT = 1_000_000


async def prepare(postgres: EmbeddedPostgres) -> None:
    """Makes the migrated database. Every run gets a copy."""
    await postgres.create_database(TEMPLATE)
    await upgrade(Settings.load(database_url=postgres.database_url(TEMPLATE)))


async def measure_job(
    postgres: EmbeddedPostgres, temporal: EmbeddedTemporal, namespace: str, folder: Path, warm_up: int, notices: int
) -> Measured:
    """Scans `notices` due projects, after the same worker has scanned `warm_up`.

    Raises `BenchError` unless every company got exactly one mail and one message, and the record says the same.
    """
    database = namespace.replace("-", "_")
    await postgres.create_database(database, template=TEMPLATE)
    database_url = postgres.database_url(database)
    async with Program(
        ["-m", "local.stand_ins", "--dir", str(folder), "--no-record"],
        log_file=folder / "stand_ins.log",
        environment=os.environ,
    ) as stand_ins:
        endpoints = json.loads(await stand_ins.wait_for_line('"smtp_port"'))
        settings = _settings(database_url, endpoints)
        servers = {"TEMPORAL_ADDRESS": temporal.address, "TEMPORAL_NAMESPACE": namespace}
        async with Program(
            ["worker.py"], log_file=folder / "worker.log", environment={**os.environ, **settings, **servers}
        ) as worker:
            await worker.wait_for_line("worker_ready")
            client = await Client.connect(temporal.address, namespace=namespace)
            pids = {"worker": worker.pid, "stand-ins": stand_ins.pid}
            pids |= {"Temporal": temporal.pid or 0, "PostgreSQL": postgres.pid or 0}
            await data.seed(database_url, "warm-up", warm_up, FIRST_CHAT)
            await _scan(client, settings, "warm-up", warm_up)
            await data.seed(database_url, "measured", notices, FIRST_CHAT + warm_up)
            since, before = now(), cpu_seconds(pids)
            await _scan(client, settings, "measured", notices)
            cpu = spent(before, cpu_seconds(pids))
        worker.require_success()
        runs = await runs_since(client, since)
        await _verify(database_url, str(endpoints["telegram_api_url"]), warm_up + notices)
    stand_ins.require_success()
    return Measured(
        notices,
        runs.seconds,
        runs.events,
        runs.transitions,
        cpu,
        # The worker has ended, so its sessions have reported. The warm-up's commits cannot be separated.
        commits=await data.commits(database_url) / (warm_up + notices),
        stored={name: size / (warm_up + notices) for name, size in (await data.sizes(database_url)).items()},
    )


def _settings(database_url: str, endpoints: Mapping[str, object]) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "SMTP_HOST": str(endpoints["smtp_host"]),
        "SMTP_PORT": str(endpoints["smtp_port"]),
        "SMTP_TLS": "none",
        "SMTP_FROM_EMAIL": "notices@platform.example",
        "SMTP_FROM_NAME": "Expiry notifier",
        "RENEW_URL_TEMPLATE": "https://platform.example/projects/{slug}/renew",
        "SUPPORT_EMAIL": "support@platform.example",
        "TELEGRAM_BOT_TOKEN": str(endpoints["telegram_bot_token"]),
        "TELEGRAM_API_URL": str(endpoints["telegram_api_url"]),
        # So high that nothing waits for a provider's limit.
        "EMAIL_RATE": "10000",
        "EMAIL_COMPANY_RATE": "10000",
        "TELEGRAM_RATE": "10000",
    }


async def _scan(client: Client, environment: Mapping[str, str], label: str, notices: int) -> None:
    """Starts a scan as its Schedule does, and waits for the end of the last notification."""
    settings = Settings.load(**{name.lower(): value for name, value in environment.items()})
    since = now()
    await client.start_workflow(
        ScanExpiringWorkflow.run,
        schedules.scan_input(settings),
        id=f"{schedules.SCAN_EXPIRING}-{label}",
        task_queue=task_queue(settings.task_queue_prefix, WORKFLOWS),
        execution_timeout=timedelta(seconds=longest(notices)),
    )
    await wait_for_children(client, CHILD, since, notices)


async def _verify(database_url: str, stand_ins_url: str, notices: int) -> None:
    async with new_http_client(60) as http:
        counts = (await http.get(f"{stand_ins_url}/_stand_in/counts")).json()
        received = (await http.get(f"{stand_ins_url}/_stand_in/received")).json()
    heard = Counter(line.get("recipient") or line.get("chat_id") for line in received)
    problems = {
        "mails": counts["email"],
        "messages": counts["telegram"],
        "recipients": sum(1 for times in heard.values() if times == 1) / 2,
        "rows delivered": await data.delivered_at_once(database_url),
    }
    wrong = [f"{found:g} {name}" for name, found in problems.items() if found != notices]
    if wrong:
        raise BenchError(f"expected {notices} notifications, found {', '.join(wrong)}")
