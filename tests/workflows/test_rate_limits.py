"""The limits that the application sets in the server, against a Telegram that enforces its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from channels.registry import all_queues
from channels.telegram.channel import CHANNEL
from local.stand_ins.telegram_api import TelegramApi
from local.stand_ins.telegram_limits import SendingLimits
from settings import Settings
from temporal import rate_limits
from tests.support.queue_limits import limits_in_the_server
from tests.support.scene import PATIENCE, Scene

BIG, SMALL, GROUP = 100, 200, -300
OF_THE_BIG = 4


@pytest.fixture
async def scene(scene: Scene) -> AsyncIterator[Scene]:
    """With Telegram's own limits on both sides."""
    async with TelegramApi(token=scene.telegram.token, limits=SendingLimits()) as telegram:
        limited = {"telegram_chat_rate": 1.0, "telegram_group_rate_per_minute": 20.0, "telegram_rate": 30.0}
        settings = scene.settings.model_copy(update={"telegram_api_url": telegram.url, **limited})
        yield replace(scene, telegram=telegram, settings=settings)


async def test_one_companys_backlog_holds_back_no_other(scene: Scene) -> None:
    """The big company's chat takes a message a second. The small one's, opened last, does not wait for them."""
    big = await scene.platform.company(telegram_chat_id=BIG)
    for _ in range(OF_THE_BIG):
        await scene.platform.project(big)
    await scene.platform.project(await scene.platform.company(telegram_chat_id=SMALL))
    await scene.scan_and_send()

    order = [message.chat_id for message in scene.telegram.messages]
    assert sorted(order) == [BIG] * OF_THE_BIG + [SMALL]
    assert order.index(SMALL) < OF_THE_BIG - 1
    # The queue lets two through at once, of which Telegram puts off the second: nothing is lost by it.
    assert scene.telegram.attempts("request") <= 2 * (OF_THE_BIG + 1)
    assert {each.status for each in await scene.platform.deliveries()} == {"accepted"}


async def test_the_limits_stand_in_the_server(scene: Scene) -> None:
    async with scene.worker():
        for limits in rate_limits.queue_limits(scene.settings, all_queues()):
            expected = (round(limits.in_all, 2), round(limits.for_each_key, 2))
            async with asyncio.timeout(PATIENCE):
                while await limits_in_the_server(scene.client, limits.name) != expected:
                    await asyncio.sleep(0.1)  # one part of the server tells the other


def test_urgent_notices_have_a_share_of_the_budget() -> None:
    settings = Settings.load(telegram_rate=30, urgent_share=0.1, telegram_chat_rate=1, email_rate=10)
    limits = {each.name: (each.in_all, each.for_each_key) for each in rate_limits.queue_limits(settings, all_queues())}
    assert limits == {
        "expiry-email": (9.0, 5),
        "expiry-email-urgent": (1.0, 5),
        "expiry-telegram": (27.0, 1),
        "expiry-telegram-urgent": (3.0, 1),
    }


def test_a_groups_weight_is_its_share_of_a_chats_limit_and_its_key_hides_the_chat() -> None:
    fairness = CHANNEL.fairness(Settings.load(telegram_bot_token="1:x"))  # noqa: S106 - made up
    person, group = fairness(1, str(BIG)), fairness(1, str(GROUP))
    assert person.weight == 1.0
    assert group.weight == pytest.approx(1 / 3)
    assert person.key != group.key
    assert len(person.key) == 16
    assert str(BIG) not in person.key
    assert CHANNEL.fairness(Settings.load())(1, "1").key == ""


async def test_the_sends_bear_their_company_and_their_chat(scene: Scene) -> None:
    company = await scene.platform.company(telegram_chat_id=GROUP)
    await scene.platform.project(company)
    await scene.scan_and_send()
    scheduled = [
        event.activity_task_scheduled_event_attributes
        for event in (await scene.history()).events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    sends = {each.activity_type.name: each.priority for each in scheduled}
    chat = CHANNEL.fairness(scene.settings)(company, str(GROUP))
    assert sends["send_email"].fairness_key == str(company)
    assert sends["send_telegram"].fairness_key == chat.key
    assert sends["send_telegram"].fairness_weight == pytest.approx(chat.weight)


async def test_a_test_goes_through_while_a_scans_mails_are_stuck(scene: Scene) -> None:
    """Every slot of the mail queue is taken by a server that does not answer."""
    scene = scene.with_settings(worker_concurrency=1)
    stuck = scene.sink.hold("rcpt", recipient="stuck@customer.example")
    for _ in range(3):
        await scene.due_project(contact_email="stuck@customer.example", telegram_chat_id=None)
    project = await scene.due_project(contact_email="stuck@customer.example", telegram_chat_id=None)
    async with scene.worker():
        await scene.scan()
        await scene.sink.wait_for_stage("rcpt", timeout=PATIENCE)
        test = await scene.platform.notification(
            project,
            notification_type="test",
            metadata_={"email_recipient": "test@customer.example"},
        )
        await scene.scan()
        await scene.sink.wait_for(1, PATIENCE)
        assert [mail.recipients for mail in scene.sink.messages] == [("test@customer.example",)]
        stuck.release()
        await scene.children_end()
    [delivery] = [each for each in await scene.platform.deliveries("email") if each.notification_id == test]
    assert delivery.status == "accepted"
