"""The database is away: the operators hear of it without a record, once in a while, and once when it is back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from contracts.health import HealthReport
from local.embedded.postgres import EmbeddedPostgres
from local.stand_ins.http_server import Answer
from tests.support.databases import OWN_DATABASE, administer
from tests.support.health_scene import ADMIN, ADMIN_CHAT, PING_PATH, HealthScene
from tests.support.scene import PATIENCE, Scene

AWAY = "The database does not answer"


@pytest.fixture
def scene(scene_on_own_postgres: Scene) -> Scene:
    """The scene with its rows on the test's own server."""
    return scene_on_own_postgres


async def test_it_is_alerted_once_on_both_channels_and_once_when_it_is_back(
    health: HealthScene, own_postgres: EmbeddedPostgres
) -> None:
    sink, telegram = health.scene.sink, health.scene.telegram
    async with health.worker():
        await own_postgres.stop()
        health.pages.answers["/readyz"] = Answer(503, {"checks": {"database": "away", "temporal": "ok"}})
        check = await health.start_check(interval=0.2)
        [mail] = await sink.wait_for(1, PATIENCE)
        [message] = await telegram.wait_for(1, PATIENCE)
        await it_has_looked(health, times=4)
        health.pages.answers.clear()
        await own_postgres.start()
        assert await check.result() == HealthReport([])
        await health.scene.children_end()

    assert (mail.recipients, mail.subject) == ((ADMIN,), AWAY)
    assert message.chat_id == ADMIN_CHAT
    assert "Other problems: api_not_ready." in message.text
    [back] = await health.scene.platform.notifications()
    assert (back.subject, back.status, back.metadata["problem"]) == (f"Over: {AWAY}", "delivered", "database")
    assert [each.subject for each in sink.messages] == [AWAY, f"Over: {AWAY}"]
    assert len(telegram.messages) == 2
    assert health.pages.count(PING_PATH) == 1


async def test_it_is_alerted_again_while_it_lasts_also_over_many_runs(
    health: HealthScene, own_postgres: EmbeddedPostgres
) -> None:
    async with health.worker():
        await own_postgres.stop()
        check = await health.start_check(interval=0.1, alert_cooldown=0.1, looks_per_run=1)
        mails = await health.scene.sink.wait_for(3, PATIENCE)
        await own_postgres.start()
        await (await newest_run(health, check)).result()
    assert {mail.subject for mail in mails[:3]} == {AWAY}
    assert len({mail.message_id for mail in mails[:3]}) == 3
    assert await health.subjects() == [f"Over: {AWAY}"]


async def test_over_many_runs_it_is_one_alert(health: HealthScene, own_postgres: EmbeddedPostgres) -> None:
    async with health.worker():
        await own_postgres.stop()
        check = await health.start_check(interval=0.1, looks_per_run=1)
        await it_has_looked(health, times=4)
        await own_postgres.start()
        await (await newest_run(health, check)).result()
        await health.scene.children_end()
    assert [mail.subject for mail in health.scene.sink.messages] == [AWAY, f"Over: {AWAY}"]


async def test_one_channel_away_too_holds_back_nothing(health: HealthScene, own_postgres: EmbeddedPostgres) -> None:
    await health.scene.telegram.stop()
    async with health.worker():
        await own_postgres.stop()
        check = await health.start_check(interval=0.1)
        await health.scene.sink.wait_for(1, PATIENCE)
        await health.scene.telegram.start()
        await own_postgres.start()
        await check.result()
        await health.scene.children_end()
    assert await health.subjects() == [f"Over: {AWAY}"]


async def test_what_reached_nobody_is_tried_at_every_look(health: HealthScene, own_postgres: EmbeddedPostgres) -> None:
    """Somebody switches the database off and sees to an admin's address later.

    One channel is enough. An alert of the old worker may be left to the new one, and then it is the only one that
    reaches somebody.
    """
    async with health.with_settings(admin_email=None, telegram_admin_chat_id=None).worker():
        await own_postgres.stop()
        check = await health.start_check(interval=0.1)
        await it_has_looked(health, times=3)
    async with health.worker():
        await somebody_is_alerted(health)
        await own_postgres.start()
        await check.result()


async def test_a_database_that_lets_nobody_in_is_away(health: HealthScene, own_postgres: EmbeddedPostgres) -> None:
    async with health.worker():
        await administer(own_postgres, f"ALTER DATABASE {OWN_DATABASE} ALLOW_CONNECTIONS false")
        check = await health.start_check(interval=0.1)
        await health.scene.sink.wait_for(1, PATIENCE)
        await administer(own_postgres, f"ALTER DATABASE {OWN_DATABASE} ALLOW_CONNECTIONS true")
        await check.result()


async def test_a_database_that_takes_no_writing_is_away(health: HealthScene, own_postgres: EmbeddedPostgres) -> None:
    async with health.worker():
        await administer(own_postgres, f"ALTER DATABASE {OWN_DATABASE} SET default_transaction_read_only = on")
        assert (await health.check(once=True)).problems == ["database"]
        await administer(own_postgres, f"ALTER DATABASE {OWN_DATABASE} RESET default_transaction_read_only")
        assert await health.check() == HealthReport([])


async def test_a_restart_between_two_checks_is_no_problem(health: HealthScene, own_postgres: EmbeddedPostgres) -> None:
    async with health.worker():
        assert await health.check() == HealthReport([])
        await own_postgres.stop()
        await own_postgres.start()
        assert await health.check() == HealthReport([])


async def test_who_waits_for_the_result_gets_it_at_once(health: HealthScene, own_postgres: EmbeddedPostgres) -> None:
    async with health.worker():
        await own_postgres.stop()
        report = await health.check(once=True)
        assert report == HealthReport(["database"], database_away=True, alert_channels=["email", "telegram"])
        assert health.scene.sink.messages == []
        await own_postgres.start()


async def it_has_looked(health: HealthScene, times: int) -> None:
    """Every look asks the API."""
    async with asyncio.timeout(PATIENCE):
        while health.pages.count("/readyz") < times:
            await asyncio.sleep(0.05)  # a page tells nobody


async def somebody_is_alerted(health: HealthScene) -> None:
    """By whichever channel comes first."""
    alerts = [
        asyncio.create_task(health.scene.sink.wait_for(1, PATIENCE)),
        asyncio.create_task(health.scene.telegram.wait_for(1, PATIENCE)),
    ]
    done, waiting = await asyncio.wait(alerts, return_when=asyncio.FIRST_COMPLETED)
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for each in done:
        each.result()


async def newest_run(health: HealthScene, check: WorkflowHandle[Any, Any]) -> WorkflowHandle[Any, Any]:
    return health.scene.client.get_workflow_handle(check.id)
