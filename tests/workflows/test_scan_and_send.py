"""The whole way: a scan, its children, both channels, the record."""

from __future__ import annotations

from temporalio.client import Client

from contracts.scanning import ScanExpiringResult
from local.stand_ins.smtp_sink import SmtpSink
from local.stand_ins.telegram_api import TelegramApi
from settings import Settings
from tests.support.data import Platform, in_days
from tests.support.scanning import finished, scan
from tests.support.serving import RunWorker


async def test_a_project_about_to_end_is_told_on_both_channels(
    temporal: Client,
    settings: Settings,
    platform: Platform,
    run_worker: RunWorker,
    smtp_sink: SmtpSink,
    telegram_api: TelegramApi,
) -> None:
    company = await platform.company(contact_email="anna@customer.example", telegram_chat_id=77)
    project = await platform.project(company, expires_at=in_days(3))
    async with run_worker(settings):
        assert await scan(temporal, settings) == ScanExpiringResult(found=1, opened=1, started=1)
        [notification] = await platform.notifications()
        await finished(temporal, notification.workflow_id)

    [mail] = smtp_sink.messages
    assert mail.recipients == ("anna@customer.example",)
    assert mail.notification_id == str(notification.id)
    [message] = telegram_api.messages
    assert int(message.chat_id) == 77
    [notification] = await platform.notifications()
    assert (notification.project_id, notification.status) == (project, "delivered")
    assert [delivery.status for delivery in await platform.deliveries()] == ["accepted", "accepted"]
