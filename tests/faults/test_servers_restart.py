"""Temporal and PostgreSQL are killed in the midst of a scan and started again on their own data."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from temporalio.client import Client

from channels.registry import names
from db.migrate import upgrade
from local.embedded.postgres import EmbeddedPostgres
from local.embedded.temporal import EmbeddedTemporal
from local.stand_ins.smtp_actions import Reply
from temporal.attributes import register_search_attributes
from temporal.client import DATA_CONVERTER
from tests.faults.ledger import Ledger
from tests.support.command_line import WHY, delivery_id, operate
from tests.support.data import Platform
from tests.support.scanning import start_scan
from tests.support.scene import PATIENCE, Scene
from tests.support.worker_process import worker_process

ITEMS = 30


async def many_due(scene: Scene) -> None:
    for _ in range(3):
        company = await scene.platform.company()
        for _ in range(ITEMS // 3):
            await scene.platform.project(company)


async def all_told(scene: Scene, ledger: Ledger, fault: str) -> None:
    """Every notice has ended as accepted, on both channels; what was sent twice is marked."""
    async with asyncio.timeout(3 * PATIENCE):
        while await scene.platform.scalar("SELECT count(*) FROM notifications WHERE status = 'delivered'") < ITEMS:
            await asyncio.sleep(0.1)  # the database tells nobody
    for channel in names():
        observed = await ledger.observe(scene, fault, channel, "in mid-scan")
        assert (observed.notices, observed.lost, observed.unmarked_doubles) == (ITEMS, 0, 0)
        assert observed.copies >= ITEMS - observed.in_doubt


@pytest.fixture
async def own_temporal(tmp_path: Path) -> AsyncIterator[EmbeddedTemporal]:
    async with EmbeddedTemporal(tmp_path / "temporal.log", database_file=tmp_path / "temporal.db") as server:
        yield server


async def test_temporal_is_killed_and_starts_again_on_its_own_database(
    scene: Scene, ledger: Ledger, own_temporal: EmbeddedTemporal
) -> None:
    client = await Client.connect(own_temporal.address, namespace=own_temporal.namespace, data_converter=DATA_CONVERTER)
    await register_search_attributes(client)
    scene = replace(scene, client=client).with_settings(scan_max_in_flight=10, worker_concurrency=4)
    await many_due(scene)
    mails = scene.sink.hold("dot")
    async with worker_process(scene) as worker:
        await start_scan(client, scene.settings, page_size=10)
        await asyncio.wait_for(mails.reached.wait(), PATIENCE)
        await scene.telegram.wait_for(3, PATIENCE)
        await own_temporal.kill()
        mails.release()
        await scene.sink.wait_for(1, PATIENCE)
        await own_temporal.start()
        await all_told(scene, ledger, "Temporal killed and restarted")
        worker.tell_to_stop()
        assert await worker.exit_status() == 0


async def test_what_is_resent_while_temporal_is_away_goes_out_with_the_next_scan(
    scene: Scene, own_temporal: EmbeddedTemporal
) -> None:
    client = await Client.connect(own_temporal.address, namespace=own_temporal.namespace, data_converter=DATA_CONVERTER)
    await register_search_attributes(client)
    scene = replace(scene, client=client)
    scene.sink.on("rcpt", Reply(550, "5.2.2 mailbox full"))
    await scene.due_project()
    async with worker_process(scene):
        await scene.scan()
        await scene.children_end()
    assert await scene.ends() == ("delivered", "rejected", "accepted")

    await own_temporal.kill()
    ended = await operate(scene, "resend", await delivery_id(scene, "email"), *WHY)
    assert (ended.status, ended.json["status"]) == (0, "pending"), ended.err
    assert "the next scan will send it" in ended.err
    assert scene.sink.messages == []

    await own_temporal.start()
    async with worker_process(scene):
        await scene.scan()
        await scene.children_end()
    assert len(scene.sink.messages) == 1
    assert await scene.ends() == ("delivered", "accepted", "accepted")


async def test_postgresql_crashes_and_recovers(scene: Scene, ledger: Ledger, tmp_path: Path) -> None:
    """With its settings as in production: what was committed is there after the crash."""
    async with EmbeddedPostgres(tmp_path / "postgres") as postgres:
        await postgres.create_database("crashes")
        url = postgres.database_url("crashes")
        scene = scene.with_settings(database_url=SecretStr(url), scan_max_in_flight=10, worker_concurrency=4)
        await upgrade(scene.settings)
        engine = create_async_engine(url, poolclass=NullPool)  # no connection of ours that the crash would break
        scene = replace(scene, platform=Platform(engine), postgres=postgres)
        await many_due(scene)
        mails, messages = scene.sink.hold("dot"), scene.telegram.hold("request")
        async with scene.worker():
            await start_scan(scene.client, scene.settings, page_size=10)
            await asyncio.wait_for(mails.reached.wait(), PATIENCE)
            await asyncio.wait_for(messages.reached.wait(), PATIENCE)
            restarting = asyncio.create_task(postgres.restart(immediate=True))
            mails.release()
            messages.release()
            await restarting
            await all_told(scene, ledger, "PostgreSQL crashed and restarted")
            await scene.children_end()
        await engine.dispose()
