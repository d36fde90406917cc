"""Telegram refuses every message of the bot for a time: the whole channel waits, whoever dies meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from temporalio.service import RPCError

from channels.telegram.plan import TELEGRAM
from contracts.queues import task_queues
from db.operators import stops
from local.stand_ins import telegram_answers as answers
from temporal.stops import TemporalStops, resume_id
from tests.support.queue_limits import limits_in_the_server
from tests.support.scanning import start_scan
from tests.support.scene import PATIENCE, Scene, events
from tests.support.worker_process import notice_the_death_soon, worker_process

REFUSED = (101, 102, 103, 104)
LATER = (201, 202)


async def due(scene: Scene, chats: Iterable[int]) -> None:
    for chat in chats:
        await scene.due_project(contact_email=None, telegram_chat_id=chat)


async def rates(scene: Scene) -> list[float]:
    queues = task_queues(scene.settings.task_queue_prefix, TELEGRAM.name)
    return [(await limits_in_the_server(scene.client, queue))[0] for queue in queues]


async def until_rates(scene: Scene, *, stopped: bool) -> None:
    async with asyncio.timeout(PATIENCE):
        while [rate == 0 for rate in await rates(scene)] != [stopped, stopped]:
            await asyncio.sleep(0.05)  # one part of the server tells the other


async def stop_in_the_database(scene: Scene) -> datetime:
    """Waits for the stop, and returns its end."""
    async with asyncio.timeout(PATIENCE):
        while True:
            async with scene.platform.engine.connect() as connection:
                if until := (await stops.find_stopped(connection)).get(TELEGRAM.name):
                    return until
            await asyncio.sleep(0.05)  # the database tells nobody


async def all_got_theirs_after(scene: Scene, until: datetime, chats: Iterable[int]) -> None:
    assert sorted(int(message.chat_id) for message in scene.telegram.messages) == sorted(chats)
    assert min(message.accepted_at for message in scene.telegram.messages) >= until
    assert {each.status for each in await scene.platform.deliveries("telegram")} == {"accepted"}
    await until_rates(scene, stopped=False)


async def test_nothing_is_sent_until_then_and_then_everything(scene: Scene) -> None:
    scene.telegram.always("request", answers.too_many_requests(6))
    await due(scene, REFUSED)
    async with scene.worker():
        await scene.scan()
        until = await stop_in_the_database(scene)
        await until_rates(scene, stopped=True)
        scene.telegram.clear()
        await due(scene, LATER)
        await scene.scan()
        await scene.children_end()
        await scene.client.get_workflow_handle(resume_id(scene.settings, TELEGRAM.name)).result()
        await all_got_theirs_after(scene, until, (*REFUSED, *LATER))


async def test_a_wait_of_one_chat_stops_no_other(scene: Scene) -> None:
    scene.telegram.on("request", *[answers.too_many_requests(3)] * 2, recipient=REFUSED[0])
    scene.telegram.on("request", answers.too_many_requests(3), recipient=REFUSED[1])
    await due(scene, REFUSED)
    await scene.scan_and_send()
    assert await scene.platform.scalar("SELECT count(*) FROM channel_stops") == 0
    assert {each.status for each in await scene.platform.deliveries("telegram")} == {"accepted"}


async def test_the_channel_comes_back_although_its_stopper_was_killed(scene: Scene) -> None:
    """And a worker that starts during the stop does not end it."""
    scene.telegram.always("request", answers.too_many_requests(8))
    await due(scene, REFUSED)
    async with worker_process(scene) as dying:
        await start_scan(scene.client, scene.settings)
        until = await stop_in_the_database(scene)
        await dying.says("channel_stopped")
        dying.kill()
    scene.telegram.clear()
    await due(scene, LATER)
    async with scene.worker():
        await until_rates(scene, stopped=True)
        for notification in await scene.platform.notifications():
            with suppress(RPCError):  # it is not under way
                await notice_the_death_soon(scene, notification.workflow_id, TELEGRAM.activity)
        await scene.scan()
        await scene.children_end()
        await all_got_theirs_after(scene, until, (*REFUSED, *LATER))


async def test_a_worker_resumes_what_nobody_else_would(scene: Scene) -> None:
    """The stopper wrote the moment and died. The next worker honours it, and ends it."""
    until = await stopped(scene, 4)
    await due(scene, LATER)
    async with scene.worker():
        await scene.scan()
        await scene.children_end()
        await all_got_theirs_after(scene, until, LATER)


async def test_a_longer_stop_replaces_a_shorter_one_and_no_shorter_one_a_longer(scene: Scene) -> None:
    engine = scene.platform.engine
    async with scene.worker():
        first = await stopped(scene, 2)
        temporal = TemporalStops(scene.client, scene.settings, engine)
        await temporal.stop(TELEGRAM.name, first)
        await temporal.stop(TELEGRAM.name, until := first + (first - datetime.now(UTC)) * 2)
        await temporal.stop(TELEGRAM.name, first)
        assert await temporal.resume(TELEGRAM.name) == until
        await due(scene, LATER)
        await scene.scan()
        await scene.children_end()
        await all_got_theirs_after(scene, until, LATER)


async def test_a_short_stop_ends_although_an_operator_has_ended_a_long_one_before(scene: Scene) -> None:
    async with scene.worker():
        until = await long_stop_ended_then_a_short_one(scene, sleeps=True)
        await due(scene, LATER)
        await scene.scan()
        await scene.children_end()
        await all_got_theirs_after(scene, until, LATER)


async def test_a_short_stop_ends_although_all_this_came_before_any_worker(scene: Scene) -> None:
    until = await long_stop_ended_then_a_short_one(scene, sleeps=False)
    await due(scene, LATER)
    async with scene.worker():
        await scene.scan()
        await scene.children_end()
        await all_got_theirs_after(scene, until, LATER)


async def long_stop_ended_then_a_short_one(scene: Scene, *, sleeps: bool) -> datetime:
    """Returns the end of the short stop. Between the two, the workflow sleeps until the end of the long one, or has not
    begun."""
    temporal = TemporalStops(scene.client, scene.settings, scene.platform.engine)
    await temporal.stop(TELEGRAM.name, datetime.now(UTC) + timedelta(days=1))
    async with asyncio.timeout(PATIENCE):
        while sleeps and not events(await scene.history(resume_id(scene.settings, TELEGRAM.name)), "TIMER_STARTED"):
            await asyncio.sleep(0.05)  # the server tells nobody
    await scene.platform.execute("UPDATE channel_stops SET until = now()")
    await temporal.stop(TELEGRAM.name, until := datetime.now(UTC) + timedelta(seconds=3))
    return until


async def stopped(scene: Scene, seconds: int) -> datetime:
    """Writes a stop into the database, and nothing else."""
    until: datetime = await scene.platform.scalar(f"SELECT now() + interval '{seconds} s'")
    async with scene.platform.engine.begin() as connection:
        await stops.stop(connection, TELEGRAM.name, until)
    return until
