"""The journeys through the product. Each begins when its servers and its worker are up, and ends with its last fact.

pytest finds them only where this file is named: `python -m tests.journeys` does.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from channels.email.bounce_addresses import BounceAddresses
from commands.bounces import read_bounces
from commands.renewing import renew
from commands.running import OK
from contracts.queues import WORKFLOWS, task_queue
from db.record.list import read_flat
from local.stand_ins.smtp_sink import SmtpSink
from settings import Settings
from temporal import schedules
from tests.journeys.tracing import Tracer
from tests.support.bouncing import RECIPIENT, Mailbox, bounced
from tests.support.calling_api import NOBODY_LISTENS, calling
from tests.support.data import Platform, in_days
from tests.support.scanning import finished, scan
from tests.support.serving import RunWorker
from tests.support.settings_for import MakeSettings
from workflows.check_health import CheckHealthWorkflow

ADMIN = "admin@own.example"
BOUNCES = "bounce@platform.example"
SECRET = "of the journeys only, which nobody else reaches"  # noqa: S105 - of no use elsewhere
PATIENCE = 60
"""Seconds."""


async def test_due_project(
    temporal: Client, make_settings: MakeSettings, platform: Platform, run_worker: RunWorker, tracer: Tracer
) -> None:
    """From the scan to the flat record of an e-mail with a link to unsubscribe."""
    settings = make_settings(public_url="https://notices.example", unsubscribe_secret=SECRET)
    async with run_worker(settings):
        await _serves(temporal, settings)
        await platform.project(await platform.company(telegram_chat_id=None))
        with tracer.recording():
            await scan(temporal, settings)
            [notification] = await platform.notifications()
            await finished(temporal, notification.workflow_id)
            async with platform.engine.connect() as connection:
                record: Any = await read_flat(connection, notification.id)
    assert record["email_sent"]


async def test_posted_test(settings: Settings, engine: AsyncEngine, temporal: Client, tracer: Tracer) -> None:
    """From the request to the answer that a workflow is started."""
    async with calling(settings, engine, temporal) as http:
        with tracer.recording():
            response = await http.post("/notifications/test", json={"email": "anna@customer.example"})
    assert response.status_code == 202


async def test_health_problem(
    temporal: Client, make_settings: MakeSettings, platform: Platform, run_worker: RunWorker, tracer: Tracer
) -> None:
    """From a check that finds the API away to the alert's workflow, up to its sends."""
    settings = await _operated(temporal, make_settings)
    async with run_worker(settings, (WORKFLOWS,)):
        await _serves(temporal, settings)
        with tracer.recording():
            await _check_finds_the_api_away(temporal, settings)
            [alert] = await platform.notifications()
            await _schedules_its_sends(temporal, alert.workflow_id)
        async with run_worker(settings, ("email", "telegram")):
            await finished(temporal, alert.workflow_id)


async def test_health_problem_delivered(
    temporal: Client,
    make_settings: MakeSettings,
    platform: Platform,
    smtp_sink: SmtpSink,
    run_worker: RunWorker,
    tracer: Tracer,
) -> None:
    """From a check that finds the API away to the alert in the operators' mailbox and in the record."""
    settings = await _operated(temporal, make_settings)
    async with run_worker(settings):
        await _serves(temporal, settings)
        with tracer.recording():
            await _check_finds_the_api_away(temporal, settings)
            [alert] = await platform.notifications()
            await finished(temporal, alert.workflow_id)
    assert len(smtp_sink.to(ADMIN)) == 1


async def test_bounce(
    platform: Platform, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tracer: Tracer
) -> None:
    """From a Maildir with a report to the envelope sender of an accepted mail, to the corrected record."""
    await _accepted_mail(platform)
    [notification] = await platform.notifications()
    [email] = await platform.deliveries("email")
    mailbox = Mailbox(tmp_path / "bounces")
    message_id = f"<{notification.dedupe_key}@platform.example>"
    report = bounced("exim", message_id=message_id, notification_id=notification.id)
    envelope_sender = BounceAddresses(BOUNCES, SECRET).tagged(email.id, RECIPIENT)
    mailbox.put(f"Delivered-To: {envelope_sender}\r\n".encode() + report)
    for name, value in {
        "DATABASE_URL": database_url,
        "SMTP_BOUNCE_ADDRESS": BOUNCES,
        "UNSUBSCRIBE_SECRET": SECRET,
    }.items():
        monkeypatch.setenv(name, value)
    with tracer.recording():
        assert await read_bounces(mailbox.folder, as_json=False) == OK
    [email] = await platform.deliveries("email")
    assert (email.status, email.reason) == ("rejected", "bounced")


async def test_renewal(platform: Platform, database_url: str, monkeypatch: pytest.MonkeyPatch, tracer: Tracer) -> None:
    """From the command to the project's new end."""
    project = await platform.project(await platform.company(), slug="tower", expires_at=in_days(3))
    await platform.notification(project)
    monkeypatch.setenv("DATABASE_URL", database_url)
    with tracer.recording():
        assert await renew("tower", in_days(365), "anna", "they paid", as_json=False) == OK
    assert await platform.scalar("SELECT expires_at FROM projects") > in_days(364)


async def _serves(temporal: Client, settings: Settings) -> None:
    """Returns when the worker has served: a scan that finds nothing."""
    await scan(temporal, settings)


async def _operated(temporal: Client, make_settings: MakeSettings) -> Settings:
    """Settings with an operator's address and an API that is away; all else that a check looks at is well."""
    settings = make_settings(admin_email=ADMIN, health_api_url=f"http://{NOBODY_LISTENS}")
    await schedules.apply(temporal, settings)
    return settings


async def _check_finds_the_api_away(temporal: Client, settings: Settings) -> None:
    report = await temporal.execute_workflow(
        CheckHealthWorkflow.run,
        schedules.health_input(settings),
        id=f"check-health-{uuid4()}",
        task_queue=task_queue(settings.task_queue_prefix, WORKFLOWS),
    )
    assert report.raised == ["api_away"]


async def _schedules_its_sends(temporal: Client, workflow_id: str) -> None:
    """Returns when the workflow waits for a send."""
    handle = temporal.get_workflow_handle(workflow_id)
    async with asyncio.timeout(PATIENCE):
        while not (await handle.describe()).raw_description.pending_activities:
            await asyncio.sleep(0.05)  # the server tells nobody


async def _accepted_mail(platform: Platform) -> None:
    await platform.notification(await platform.project(await platform.company(contact_email=RECIPIENT)))
    await platform.execute(
        "UPDATE deliveries SET status = 'accepted', attempts = 1, claimed_at = now(), finished_at = now(),"
        " recipient = CASE channel WHEN 'email' THEN :recipient ELSE '77' END,"
        " provider_reply = '250 ok', provider_id = '1'",
        recipient=RECIPIENT,
    )
    await platform.execute("UPDATE notifications SET status = 'delivered', finished_at = now()")
