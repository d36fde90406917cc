"""PostgreSQL goes away in the middle of a scan and comes back: nothing is lost, and no copy goes out unmarked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle

from local.embedded.postgres import EmbeddedPostgres
from local.stand_ins.smtp_actions import Reply
from local.stand_ins.smtp_actions import Stage as SmtpStage
from local.stand_ins.telegram_answers import blocked, server_error
from local.stand_ins.telegram_api import Stage as TelegramStage
from tests.support.databases import OWN_DATABASE, administer
from tests.support.scanning import start_scan
from tests.support.scene import PATIENCE, Scene, events


@pytest.fixture
def scene(scene_on_own_postgres: Scene) -> Scene:
    """The scene with its rows on the test's own server."""
    return scene_on_own_postgres


async def test_away_for_a_while_in_the_midst_of_a_scan(scene: Scene, own_postgres: EmbeddedPostgres) -> None:
    """Three notices are under way; the rest of them waits for room, or has not been opened."""
    scene = scene.with_settings(worker_concurrency=3, scan_max_in_flight=2)
    company = await scene.platform.company()
    for _ in range(10):
        await scene.platform.project(company)
    mails, messages = scene.sink.hold("rcpt"), scene.telegram.hold("request")
    async with scene.worker():
        scan = await start_scan(scene.client, scene.settings, page_size=4)
        await scene.sink.wait_for_stage("rcpt", count=3, timeout=PATIENCE)
        await scene.telegram.wait_for_stage("request", count=3, timeout=PATIENCE)
        await own_postgres.stop()
        mails.release()
        messages.release()
        await scene.telegram.wait_for(3, PATIENCE)
        await until_an_activity_was_tried_again(scene, scan.id)
        await own_postgres.start()
        result = await scan.result()
        await scene.children_end()

    assert (result.found, result.opened, result.started) == (10, 10, 10)
    notifications = await scene.platform.notifications()
    assert [each.status for each in notifications] == ["delivered"] * 10
    emails = {str(each.notification_id): each for each in await scene.platform.deliveries("email")}
    copies = Counter(mail.notification_id for mail in scene.sink.messages)
    assert set(copies) == set(emails)
    assert all(count == 1 or emails[str(key)].possible_duplicate for key, count in copies.items())
    assert Counter(message.text for message in scene.telegram.messages).most_common(1)[0][1] == 1
    assert len(scene.telegram.messages) == 10
    assert {each.status for each in await scene.platform.deliveries("telegram")} == {"accepted"}


@asynccontextmanager
async def away_at_the_answers(
    scene: Scene, server: EmbeddedPostgres, mail_stage: SmtpStage, message_stage: TelegramStage
) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    """One notice under way on both channels; the database goes away just before the servers answer."""
    mail, message = scene.sink.hold(mail_stage), scene.telegram.hold(message_stage)
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await asyncio.wait_for(mail.reached.wait(), PATIENCE)
        await asyncio.wait_for(message.reached.wait(), PATIENCE)
        child = await scene.child()
        await server.stop()
        mail.release()
        message.release()
        yield child


async def test_an_acceptance_is_kept_until_the_database_is_back(scene: Scene, own_postgres: EmbeddedPostgres) -> None:
    async with away_at_the_answers(scene, own_postgres, "reply", "reply") as child:
        await until_the_record_waits_for_the_database(child)
        await own_postgres.start()
        await child.result()

    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (1, 1)
    assert await scene.ends() == ("delivered", "accepted", "accepted")
    deliveries = await scene.platform.deliveries()
    assert {(each.attempts, each.possible_duplicate) for each in deliveries} == {(1, False)}
    assert (await scene.delivery("telegram")).provider_id == str(scene.telegram.messages[0].message_id)
    assert (await scene.delivery("email")).provider_reply == "250 2.0.0 (text of the reply not kept)"


async def test_an_acceptance_is_kept_while_the_database_refuses_connections(
    scene: Scene, own_postgres: EmbeddedPostgres
) -> None:
    """As it does while it starts, stops or has too many: an answer of its own, not a lost connection."""
    for chat in (1, 2):
        await scene.due_project(telegram_chat_id=chat, contact_email=None)
    gates = [scene.telegram.hold("reply", recipient=chat) for chat in (1, 2)]
    async with scene.worker():
        await scene.scan()
        for gate in gates:
            await asyncio.wait_for(gate.reached.wait(), PATIENCE)
        async with asyncio.timeout(PATIENCE):
            while {each.status for each in await scene.platform.deliveries("email")} != {"skipped"}:
                await asyncio.sleep(0.05)  # the database tells nobody
        children = [scene.client.get_workflow_handle(each.workflow_id) for each in await scene.platform.notifications()]
        await administer(own_postgres, f"ALTER DATABASE {OWN_DATABASE} ALLOW_CONNECTIONS false")
        await administer(own_postgres, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'away'")
        for gate, child in zip(gates, children, strict=True):  # the first finds its connection broken, the second none
            gate.release()
            await until_both_channels_ended_or_are_tried_again(child)
        await administer(own_postgres, f"ALTER DATABASE {OWN_DATABASE} ALLOW_CONNECTIONS true")
        await scene.children_end()

    assert len(scene.telegram.messages) == 2
    telegrams = await scene.platform.deliveries("telegram")
    assert [each.status for each in telegrams] == ["accepted", "accepted"]
    assert {each.provider_id for each in telegrams} == {str(each.message_id) for each in scene.telegram.messages}


async def test_cancelled_while_the_record_waits_for_the_database_it_is_recorded_all_the_same(
    scene: Scene, own_postgres: EmbeddedPostgres
) -> None:
    async with away_at_the_answers(scene, own_postgres, "reply", "reply") as child:
        await until_the_record_waits_for_the_database(child)
        await child.cancel()
        async with asyncio.timeout(PATIENCE):
            while not events(await child.fetch_history(), "WORKFLOW_EXECUTION_CANCEL_REQUESTED"):
                await asyncio.sleep(0.05)  # the server tells nobody
        await own_postgres.start()
        with suppress(WorkflowFailureError):
            await child.result()

    assert await scene.ends() == ("delivered", "accepted", "accepted")


async def test_a_refusal_for_good_while_it_is_away_ends_rejected(scene: Scene, own_postgres: EmbeddedPostgres) -> None:
    """The mail server and Telegram have said no, and nothing is in doubt."""
    scene.sink.on("dot", Reply(554, "5.6.0 never"))
    scene.telegram.on("request", blocked())
    async with away_at_the_answers(scene, own_postgres, "dot", "request") as child:
        await until_the_record_waits_for_the_database(child)
        await own_postgres.start()
        await scene.children_end()

    assert await scene.ends() == ("undelivered", "rejected", "rejected")
    assert (await scene.delivery("email")).reason == "smtp_data_end_554"
    assert (await scene.delivery("email")).provider_reply == "554 5.6.0 (text of the reply not kept)"
    assert (await scene.delivery("telegram")).provider_reply == "403 (text of the reply not kept)"


async def test_a_refusal_for_now_while_it_is_away_leaves_no_doubt(scene: Scene, own_postgres: EmbeddedPostgres) -> None:
    scene.sink.on("dot", Reply(451, "4.3.0 not now"))
    scene.telegram.on("request", server_error())
    async with away_at_the_answers(scene, own_postgres, "dot", "request") as child:
        await until_both_channels_ended_or_are_tried_again(child)
        await own_postgres.start()
        await scene.children_end()

    assert await scene.ends() == ("delivered", "accepted", "accepted")
    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (1, 1)
    assert {each.possible_duplicate for each in await scene.platform.deliveries()} == {False}


async def test_a_refusal_while_it_is_away_leaves_no_doubt_over_a_pause(
    scene: Scene, own_postgres: EmbeddedPostgres
) -> None:
    """Attempt after attempt is held, and each tells the next that nothing went out."""
    scene.sink.on("dot", Reply(451, "4.3.0 not now"))
    scene.telegram.on("request", server_error())
    mail, message = scene.sink.hold("dot"), scene.telegram.hold("request")
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await asyncio.wait_for(mail.reached.wait(), PATIENCE)
        await asyncio.wait_for(message.reached.wait(), PATIENCE)
        child = await scene.child()
        await scene.platform.execute("INSERT INTO pauses (operator, why) VALUES ('anna', 'a bad text')")
        await own_postgres.stop()
        mail.release()
        message.release()
        await until_both_channels_ended_or_are_tried_again(child)
        await own_postgres.start()
        for channel in ("email", "telegram"):
            await scene.held_once_more(channel)
        await scene.platform.execute("UPDATE pauses SET resumed_at = now()")
        await scene.children_end()

    assert await scene.ends() == ("delivered", "accepted", "accepted")
    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (1, 1)
    assert {each.possible_duplicate for each in await scene.platform.deliveries()} == {False}


async def test_cancelled_while_only_the_workflow_knows_of_an_acceptance_it_is_recorded(
    scene: Scene, own_postgres: EmbeddedPostgres
) -> None:
    """Telegram is still being tried when an operator cancels: it waits for its second attempt, so nothing is in flight
    there when the database goes away."""
    scene = scene.with_settings(telegram_retry_initial=300)
    scene.telegram.always("request", server_error())
    mail = scene.sink.hold("reply")
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await asyncio.wait_for(mail.reached.wait(), PATIENCE)
        async with asyncio.timeout(PATIENCE):
            while (await scene.delivery("telegram")).reason != "telegram_500":
                await asyncio.sleep(0.05)  # a row tells nobody
        child = await scene.child()
        await own_postgres.stop()
        mail.release()
        async with asyncio.timeout(PATIENCE):
            while not events(await child.fetch_history(), "ACTIVITY_TASK_COMPLETED"):
                await asyncio.sleep(0.05)  # the server tells nobody
        await child.cancel()
        await own_postgres.start()
        with pytest.raises(WorkflowFailureError):
            await child.result()

    assert len(scene.sink.messages) == 1
    assert await scene.ends() == ("delivered", "accepted", "failed")
    assert (await scene.delivery("email")).provider_reply == "250 2.0.0 (text of the reply not kept)"


async def until_the_record_waits_for_the_database(child: WorkflowHandle[Any, Any]) -> None:
    """The local record has given up, and the remote one has failed at least once."""
    async with asyncio.timeout(PATIENCE):
        while not any(
            each.activity_type.name == "record_outcome" and each.attempt > 1
            for each in (await child.describe()).raw_description.pending_activities
        ):
            await asyncio.sleep(0.05)  # the server tells nobody


async def until_both_channels_ended_or_are_tried_again(child: WorkflowHandle[Any, Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while len(events(await child.fetch_history(), "ACTIVITY_TASK_COMPLETED")) < 2 and not any(
            each.attempt > 1 for each in (await child.describe()).raw_description.pending_activities
        ):
            await asyncio.sleep(0.05)  # the server tells nobody


async def until_an_activity_was_tried_again(scene: Scene, workflow_id: str) -> None:
    """One of the scan's own."""
    handle = scene.client.get_workflow_handle(workflow_id)
    async with asyncio.timeout(PATIENCE):
        while not any(each.attempt > 1 for each in (await handle.describe()).raw_description.pending_activities):
            await asyncio.sleep(0.05)  # the server tells nobody
