"""The database fails over while notifications are under way: the old server only reads, and keeps its connections."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from activities.health.connections import look_through_connections
from activities.health.findings import Findings
from db.engine import autocommit, check_writes, create_engine
from db.errors import sqlstate_of
from local.embedded.postgres import EmbeddedPostgres
from tests.support.calling_api import calling
from tests.support.data import Platform
from tests.support.databases import OWN_DATABASE
from tests.support.failover import Switch, fail_over, standby_of
from tests.support.scene import PATIENCE, Scene

PROJECTS = 20


@pytest.fixture
async def switch(own_postgres: EmbeddedPostgres) -> AsyncIterator[Switch]:
    async with Switch(own_postgres).listening() as switch:
        yield switch


@pytest.fixture
async def standby(scene_on_own_postgres: Scene, tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    """It follows the scene's server."""
    async with standby_of(scene_on_own_postgres.postgres, tmp_path / "standby" / "postgres") as standby:
        yield standby


@pytest.fixture
async def scene(scene_on_own_postgres: Scene, switch: Switch, standby: EmbeddedPostgres) -> AsyncIterator[Scene]:
    """The application reaches the database by the switch."""
    url = switch.url(OWN_DATABASE)
    engine = create_async_engine(url, poolclass=NullPool)
    scene = scene_on_own_postgres.with_settings(database_url=SecretStr(url))
    yield Scene(
        scene.client, scene.settings, Platform(engine), scene.sink, scene.telegram, scene.postgres, scene.run_worker
    )
    await engine.dispose()


async def test_everything_is_sent_and_recorded_over_a_failover(
    scene: Scene, switch: Switch, standby: EmbeddedPostgres
) -> None:
    scene = scene.with_settings(database_pool_size=5)
    for _ in range(PROJECTS):
        await scene.due_project(telegram_chat_id=None)
    mails = scene.sink.hold("rcpt")
    async with scene.worker():
        await scene.scan()
        await asyncio.wait_for(mails.reached.wait(), PATIENCE)
        opened = switch.opened
        await fail_over(switch, standby)
        mails.release()
        await scene.children_end()

    assert switch.opened > opened
    notifications = await scene.platform.notifications()
    assert Counter(each.status for each in notifications) == {"delivered": PROJECTS}
    emails = {str(each.notification_id): each for each in await scene.platform.deliveries("email")}
    copies = Counter(mail.notification_id for mail in scene.sink.messages)
    assert set(copies) == set(emails)
    assert all(count == 1 or emails[str(key)].possible_duplicate for key, count in copies.items())


async def test_one_refused_write_replaces_every_connection_of_the_pool(
    scene: Scene, switch: Switch, standby: EmbeddedPostgres
) -> None:
    engine = create_engine(scene.settings, "test")
    held = [await engine.connect() for _ in range(5)]
    for each in held:
        await each.close()
    opened = switch.opened
    await fail_over(switch, standby)
    with pytest.raises(DBAPIError) as refused:
        async with autocommit(engine).connect() as connection:
            await connection.execute(text("DELETE FROM problems"))
    assert sqlstate_of(refused.value) == "25006"
    together = [await engine.connect() for _ in range(5)]
    assert {await each.scalar(text("SHOW transaction_read_only")) for each in together} == {"off"}
    assert switch.opened == opened + 5
    for each in together:
        await each.close()
    await engine.dispose()


async def test_a_look_through_the_works_connections_replaces_them(
    scene: Scene, switch: Switch, standby: EmbeddedPostgres
) -> None:
    engine = create_engine(scene.settings, "test")
    await check_writes(engine)
    await fail_over(switch, standby)
    with pytest.raises(DBAPIError) as refused:
        await check_writes(engine)
    assert sqlstate_of(refused.value) == "25006"
    await check_writes(engine)
    await engine.dispose()


async def test_the_health_check_replaces_connections_and_says_if_new_ones_only_read_too(
    scene: Scene, switch: Switch, standby: EmbeddedPostgres
) -> None:
    engine = create_engine(scene.settings, "test")
    assert await look_through_connections(engine) == Findings()
    await fail_over(switch, standby)
    switch.server = scene.postgres  # nothing leads to the new server yet
    assert [each.code for each in (await look_through_connections(engine)).problems] == ["database"]
    switch.server = standby
    assert await look_through_connections(engine) == Findings()
    async with autocommit(engine).connect() as connection:
        await connection.execute(text("DELETE FROM problems"))
    await engine.dispose()


async def test_the_api_is_not_ready_while_the_database_only_reads_and_then_it_is(
    scene: Scene, switch: Switch, standby: EmbeddedPostgres
) -> None:
    engine = create_engine(scene.settings, "api")
    async with calling(scene.settings, engine, scene.client) as http:
        assert (await http.get("/readyz")).status_code == 200
        await fail_over(switch, standby)
        switch.server = scene.postgres  # nothing leads to the new server yet
        for _ in range(2):
            assert (await http.get("/readyz")).status_code == 503
        switch.server = standby
        assert (await http.get("/readyz")).status_code == 200
    await engine.dispose()
