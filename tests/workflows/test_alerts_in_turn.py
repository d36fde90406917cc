"""Alerts have a turn of their own: no number of tests holds them back."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from activities.alerts import Alerts
from activities.health import pollers
from channels.configured import send_options
from contracts.queues import WORKFLOWS, task_queue
from temporal.start import start_and_mark
from tests.support.calling_api import calling
from tests.support.health_scene import ADMIN, ADMIN_CHAT
from tests.support.scene import PATIENCE, Scene

TESTS = 20


async def until_all_wait(scene: Scene, channel: str, tasks: int) -> None:
    name = task_queue(scene.settings.task_queue_prefix, channel, urgent=True)
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await pollers.look_at(scene.client, name, pollers.ACTIVITY, report_stats=True)
            if answer.stats.approximate_backlog_count >= tasks:
                return
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("same_recipient", [True, False])
async def test_an_alert_is_among_the_next_however_many_tests_wait(scene: Scene, same_recipient: bool) -> None:
    """A limit of ten a second in all, and one attempt at a time: what is received is in the order of the queue."""
    scene = scene.with_settings(
        admin_email=ADMIN,
        telegram_admin_chat_id=ADMIN_CHAT,
        email_rate=100.0,
        telegram_rate=100.0,
        urgent_share=0.1,
        worker_concurrency=1,
        test_limit_per_key=1000,
        test_limit=1000,
        test_max_waiting=1000,
    )
    start = partial(start_and_mark, scene.client, send_options(scene.settings), scene.platform.engine)
    alerts = Alerts(scene.platform.engine, scene.settings, start)
    async with scene.worker(WORKFLOWS):
        async with calling(scene.settings, scene.platform.engine, scene.client) as http:
            for number in range(TESTS):
                chat, email = (
                    (ADMIN_CHAT, ADMIN) if same_recipient else (1000 + number, f"test-{number}@customer.example")
                )
                answer = await http.post("/notifications/test", json={"chat_id": chat, "email": email, "subject": "T"})
                assert answer.status_code == 202, answer.text
        for problem in ("first", "second"):
            assert await alerts.raise_problem(problem, f"Alert: {problem}", "Look at it.")
        for channel in ("email", "telegram"):
            await until_all_wait(scene, channel, TESTS + 2)
        async with scene.worker("email", "telegram"):
            await scene.children_end()

    mails = [mail.subject.startswith("Alert: ") for mail in scene.sink.messages]
    messages = ["Alert: " in message.text for message in scene.telegram.messages]
    for received in (mails, messages):
        assert (len(received), sum(received)) == (TESTS + 2, 2)
        assert sum(received[:6]) == 2, received
