"""What the pictures tell: a scan over six projects, one of whose companies was hard to reach."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from temporalio.client import Client, ScheduleActionExecutionStartWorkflow, WorkflowFailureError

from channels.configured import send_options
from contracts.scanning import ScanExpiringInput
from local.stand_ins import telegram_answers
from local.stand_ins.script import AcceptThenReset
from local.stand_ins.smtp_actions import Reply
from local.stand_ins.smtp_sink import ReceivedMail, SmtpSink
from local.stand_ins.telegram_api import TelegramApi
from settings import Settings
from temporal import schedules
from tests.support.data import Platform
from tests.support.scanning import scan
from workflows.scan_expiring import ScanExpiringWorkflow

EMAIL = "anna@harbour-museum.example"
CHAT = 5550142077
COMPANY = "Harbour Museum"
PROJECT = "Old Harbour Walk"
SLUG = "old-harbour-walk"
COMPANY_SLUG = "harbour-museum"
SLOW_EMAIL = "office@slow-gallery.example"
SLOW_COMPANY = "Slow Gallery"
LOST_CHAT = 5550142099
CONTENTS = ("The lighthouse keeper", "Ships of 1890")
PRIVATE = (EMAIL, str(CHAT), COMPANY, PROJECT, SLOW_EMAIL, SLOW_COMPANY, str(LOST_CHAT))
"""What no page of the Web UI may show."""

WITHIN = 60
"""Seconds; a scan takes a few on an idle machine."""


@dataclass(frozen=True)
class Trouble:
    """Workflow IDs of what went less well in a second scan."""

    waiting: str
    """Of a notice whose mail server says "later": its next attempt comes in minutes."""
    in_doubt: str
    """Of a notice whose only message got no answer from Telegram."""
    timed_out: str
    """Of a workflow that nobody served in time."""


@dataclass(frozen=True)
class Story:
    """What there is to be seen. `notice` is the one of company 7's project 42: its Telegram chat has blocked the
    bot, and its mail server wants to be asked twice."""

    namespace_url: str
    """Of the Web UI."""
    scan_id: str
    notice_id: str
    notification_id: int
    children: tuple[str, ...]
    """Workflow IDs of all notices, `notice_id` among them."""
    mail: ReceivedMail
    renew_url: str
    record_url: str
    trouble: Trouble

    def workflows_url(self, query: str) -> str:
        """The list of the workflows that match `query`."""
        return f"{self.namespace_url}/workflows?query={quote(query)}"


async def tell(
    ui_url: str,
    client: Client,
    settings: Settings,
    platform: Platform,
    smtp_sink: SmtpSink,
    telegram_api: TelegramApi,
) -> Story:
    """Triggers the Schedule and returns when all has happened and the Web UI's lists have it."""
    await _fill(platform)
    smtp_sink.on("rcpt", Reply(450, "4.2.0 Greylisted, try again in a moment"), recipient=EMAIL)
    telegram_api.always("request", telegram_answers.blocked(), recipient=CHAT)
    scan_id = await _trigger_scan(client)
    await client.get_workflow_handle(scan_id).result()
    notifications = await platform.notifications()
    for notification in notifications:
        await client.get_workflow_handle(notification.workflow_id).result()

    async def listed() -> bool:
        # A workflow's last search attributes and its end reach the list a moment after its result.
        settled = 'ExecutionStatus = "Completed" AND EmailOutcome IS NOT NULL'
        scanned = f'ExecutionStatus = "Completed" AND WorkflowId = "{scan_id}"'
        counts = [(await client.count_workflows(query)).count for query in (settled, scanned)]
        return counts == [len(notifications), 1]

    await _until(listed)
    trouble = await _tell_of_trouble(client, settings, platform, smtp_sink, telegram_api)
    [notice] = [notification for notification in notifications if notification.project_id == 42]
    [mail] = smtp_sink.to(EMAIL)
    return Story(
        namespace_url=f"{ui_url}/namespaces/{client.namespace}",
        scan_id=scan_id,
        notice_id=notice.workflow_id,
        notification_id=notice.id,
        children=tuple(notification.workflow_id for notification in notifications),
        mail=mail,
        renew_url=settings.needed("renew_url_template").format(slug=SLUG),
        record_url=f"{settings.api_url}/notifications/{notice.id}",
        trouble=trouble,
    )


async def _tell_of_trouble(
    client: Client, settings: Settings, platform: Platform, smtp_sink: SmtpSink, telegram_api: TelegramApi
) -> Trouble:
    zone = _zone_far_from_midnight()
    slow = await platform.company(name=SLOW_COMPANY, contact_email=SLOW_EMAIL, telegram_enabled=False, timezone=zone)
    lost = await platform.company(telegram_chat_id=LOST_CHAT, email_enabled=False, timezone=zone)
    projects = [await platform.project(company, expires_at=_noon(zone, 6)) for company in (slow, lost)]
    smtp_sink.always("rcpt", Reply(450, f"4.2.0 <{SLOW_EMAIL}>: try again later"), recipient=SLOW_EMAIL)
    telegram_api.always("request", AcceptThenReset(), recipient=LOST_CHAT)
    await scan(client, settings.model_copy(update={"email_retry_initial": 600}))
    ids = {each.project_id: each.workflow_id for each in await platform.notifications()}
    waiting, in_doubt = (ids[project] for project in projects)
    nobody = await client.start_workflow(
        ScanExpiringWorkflow.run,
        ScanExpiringInput(send_options(settings)),
        id="scan-that-nobody-served",
        task_queue="nobody",
        execution_timeout=timedelta(seconds=1),
    )
    with pytest.raises(WorkflowFailureError):
        await nobody.result()

    async def listed() -> bool:
        wanted = ('WaitingFor="email"', 'DeliveryOutcomes="telegram:unknown"', 'ExecutionStatus="TimedOut"')
        return [(await client.count_workflows(query)).count for query in wanted] == [1, 1, 1]

    await _until(listed)
    return Trouble(waiting, in_doubt, nobody.id)


async def _fill(platform: Platform) -> None:
    zone = _zone_far_from_midnight()
    await platform.execute("ALTER TABLE companies ALTER COLUMN id RESTART WITH 7")
    await platform.execute("ALTER TABLE projects ALTER COLUMN id RESTART WITH 42")
    company = await platform.company(
        slug=COMPANY_SLUG, name=COMPANY, contact_email=EMAIL, telegram_chat_id=CHAT, timezone=zone
    )
    project = await platform.project(company, name=PROJECT, slug=SLUG, expires_at=_noon(zone, 3))
    for title in CONTENTS:
        await platform.content(company, project, title=title)
    for days in (0, 1, 2, 5, 7):
        company = await platform.company(timezone=zone)
        await platform.project(company, expires_at=_noon(zone, days) + timedelta(hours=11, minutes=59))


def _zone_far_from_midnight() -> str:
    """Days are counted on the company's calendar: no day may end between this moment and the scan."""
    return next(name for name in ("Europe/Berlin", "America/Chicago") if datetime.now(ZoneInfo(name)).hour < 23)


def _noon(zone: str, days: int) -> datetime:
    today = datetime.now(ZoneInfo(zone)).date()
    return datetime.combine(today + timedelta(days=days), time(12), ZoneInfo(zone))


async def _trigger_scan(client: Client) -> str:
    """Returns the workflow ID. That Schedule has no other runs."""
    schedule = client.get_schedule_handle(schedules.SCAN_EXPIRING)
    started: list[str] = []

    async def has_started() -> bool:
        actions = [recent.action for recent in (await schedule.describe()).info.recent_actions]
        started.extend(
            action.workflow_id for action in actions if isinstance(action, ScheduleActionExecutionStartWorkflow)
        )
        return bool(started)

    await schedule.trigger()
    await _until(has_started)
    return started[0]


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Raises TimeoutError. For what the servers can only be asked about."""
    async with asyncio.timeout(WITHIN):
        while not await condition():
            await asyncio.sleep(0.05)
