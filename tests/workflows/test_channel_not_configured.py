"""A channel without settings is skipped; without any channel nothing starts."""

from __future__ import annotations

import httpx
import pytest
from temporalio.service import RPCError

from settings import SettingsError
from temporal import schedules
from tests.sms_channel.stand_in import SmsGateway
from tests.support.api_process import running
from tests.support.channels_under_test import SmsUnderTest
from tests.support.scene import CHAT, EMAIL, Scene
from tests.support.settings_for import API_KEY
from tests.support.worker_process import environment, worker_process

NO_EMAIL: dict[str, object] = {"smtp_host": None}
NO_TELEGRAM: dict[str, object] = {"telegram_bot_token": None}


async def test_without_a_mail_server_telegram_tells_alone(scene: Scene) -> None:
    await scene.due_project()
    await scene.with_settings(**NO_EMAIL).scan_and_send()

    assert (scene.sink.messages, scene.sink.connections_opened) == ([], 0)
    assert len(scene.telegram.messages) == 1
    assert await scene.ends() == ("delivered", "skipped", "accepted")
    assert (await scene.delivery("email")).reason == "channel_not_configured"


async def test_without_a_bot_the_mail_tells_alone(scene: Scene) -> None:
    await scene.due_project()
    await scene.with_settings(**NO_TELEGRAM).scan_and_send()

    assert (scene.telegram.messages, scene.telegram.connections_opened) == ([], 0)
    assert len(scene.sink.messages) == 1
    assert await scene.ends() == ("delivered", "accepted", "skipped")
    assert (await scene.delivery("telegram")).reason == "channel_not_configured"


async def test_without_any_channel_no_worker_starts(scene: Scene) -> None:
    with pytest.raises(SettingsError, match="SMTP_HOST or TELEGRAM_BOT_TOKEN"):
        async with scene.with_settings(**NO_EMAIL, **NO_TELEGRAM).worker():
            pass


async def test_without_any_channel_no_schedule_is_made(scene: Scene) -> None:
    with pytest.raises(SettingsError, match="SMTP_HOST or TELEGRAM_BOT_TOKEN"):
        await schedules.apply(scene.client, scene.with_settings(**NO_EMAIL, **NO_TELEGRAM).settings)
    with pytest.raises(RPCError, match="not found"):
        await scene.client.get_schedule_handle(schedules.SCAN_EXPIRING).describe()


async def test_a_worker_that_does_not_know_a_channel_sends_the_others(scene: Scene, sms_gateway: SmsGateway) -> None:
    """The API of a newer release started the child, and its input lists a delivery by the new channel."""
    sms = SmsUnderTest(sms_gateway)
    newer = environment(scene.client, scene.settings) | sms.environment | {"API_PORT": "0"}
    async with (
        running(("-m", "tests.sms_channel", "api"), **newer) as api,
        httpx.AsyncClient(base_url=api.url, headers={"X-API-Key": API_KEY}, timeout=30) as http,
    ):
        recipients = {"email": EMAIL, "telegram": str(CHAT), "sms": sms.address}
        started = await http.post("/notifications/test", json={"recipients": recipients})
        assert started.status_code == 202, started.text
    async with worker_process(scene):
        await scene.children_end()

    assert await scene.ends() == ("delivered", "accepted", "accepted")
    unknown = await scene.delivery("sms")
    assert (unknown.status, unknown.reason, unknown.attempts) == ("failed", "channel_not_configured", 0)
    assert (len(scene.sink.messages), len(scene.telegram.messages), sms.arrivals()) == (1, 1, 0)
