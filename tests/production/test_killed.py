"""In the midst of a scan the worker, Temporal or PostgreSQL is killed: nothing is lost, and no copy goes unmarked."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from channels.registry import names
from db.engine import database_url
from db.migrate import upgrade
from tests.faults.ledger import Ledger
from tests.production.temporal_server import TemporalServer
from tests.support.data import Platform
from tests.support.scanning import start_scan
from tests.support.scene import PATIENCE, Scene
from tests.support.worker_process import worker_process

ITEMS = 30


@pytest.fixture
async def scene(scene: Scene) -> AsyncIterator[Scene]:
    """Thirty items are due, and few of them are sent at a time."""
    scene = scene.with_settings(scan_max_in_flight=10, worker_concurrency=4)
    await upgrade(scene.settings)
    engine = create_async_engine(database_url(scene.settings), poolclass=NullPool)  # no connection a crash would break
    scene = replace(scene, platform=Platform(engine))
    for _ in range(3):
        company = await scene.platform.company()
        for _ in range(ITEMS // 3):
            await scene.platform.project(company)
    yield scene
    await engine.dispose()


async def mid_scan(scene: Scene) -> None:
    """A scan runs; the mail server has a mail whose end it has not read, and Telegram has taken some messages."""
    mails = scene.sink.hold("dot")
    await start_scan(scene.client, scene.settings, page_size=10)
    await asyncio.wait_for(mails.reached.wait(), PATIENCE)
    await scene.telegram.wait_for(3, PATIENCE)


async def all_end(scene: Scene, ledger: Ledger, fault: str) -> None:
    """Every notification ends, and nothing was lost or doubled without a mark."""
    ended = "SELECT count(*) FROM notifications WHERE status <> 'open'"
    async with asyncio.timeout(5 * PATIENCE):
        while await scene.platform.scalar(ended) < ITEMS:
            await asyncio.sleep(0.2)  # the database tells nobody
    for channel in names():
        observed = await ledger.observe(scene, fault, channel, "in mid-scan")
        assert (observed.notices, observed.lost, observed.unmarked_doubles) == (ITEMS, 0, 0)
        assert observed.copies >= ITEMS - observed.in_doubt


async def test_the_worker_is_killed(scene: Scene, ledger: Ledger) -> None:
    async with worker_process(scene) as dying:
        await mid_scan(scene)
        dying.kill()
        assert await dying.exit_status() == -signal.SIGKILL
    scene.sink.clear()
    async with worker_process(scene):
        await all_end(scene, ledger, "worker killed")


async def test_temporal_is_killed_and_starts_again(
    scene: Scene, ledger: Ledger, temporal_server: TemporalServer
) -> None:
    async with worker_process(scene) as worker:
        await mid_scan(scene)
        await temporal_server.kill()
        scene.sink.clear()
        await scene.sink.wait_for(1, PATIENCE)
        await temporal_server.start()
        await all_end(scene, ledger, "temporal-server killed and restarted")
        worker.tell_to_stop()
        assert await worker.exit_status() == 0


async def test_postgresql_is_killed_and_starts_again(scene: Scene, ledger: Ledger) -> None:
    """Ours and Temporal's databases at once, as in compose."""
    async with worker_process(scene) as worker:
        await mid_scan(scene)
        assert scene.postgres.pid is not None
        os.kill(scene.postgres.pid, signal.SIGKILL)
        await scene.postgres.restart(immediate=True)
        scene.sink.clear()
        await all_end(scene, ledger, "PostgreSQL killed and restarted")
        worker.tell_to_stop()
        assert await worker.exit_status() == 0
