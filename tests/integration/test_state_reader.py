"""One process at a time reads the state of the database, and what is over becomes zero."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.runtime import MetricBuffer, Runtime, TelemetryConfig

from activities.health.schedule_runs import lag_of_runs
from activities.state_reader import StateReader
from db.engine import create_engine
from temporal import schedules
from temporal.client import connect
from tests.support.quiet import QUIET_NOW, quiet_for
from tests.support.scanning import schedules_answer
from tests.support.scene import PATIENCE, Scene

Read = Callable[..., AbstractAsyncContextManager["Gauges"]]


class Gauges:
    """The gauges of one process."""

    def __init__(self, buffer: MetricBuffer) -> None:
        self._buffer = buffer
        self._values: dict[tuple[str, frozenset[tuple[str, object]]], float] = {}

    def now(self, name: str, **labels: str) -> dict[str, float]:
        """The values of the gauge that are not zero, by their other labels' values."""
        for update in self._buffer.retrieve_updates():
            self._values[update.metric.name, frozenset(update.attributes.items())] = update.value
        return {
            " ".join(str(value) for _, value in sorted(found - labels.items())): value
            for (known, found), value in self._values.items()
            if known == f"expiry_{name}" and labels.items() <= found and value
        }

    async def become(self, name: str, values: dict[str, float], **labels: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.now(name, **labels) != values:
                await asyncio.sleep(0.02)  # the exporter tells nobody


@pytest.fixture
def read(scene: Scene) -> Read:
    """`async with read(name) as gauges`: a process that reads the state as often as it can."""

    @asynccontextmanager
    async def run(name: str, interval: float = 0.05) -> AsyncIterator[Gauges]:
        buffer = MetricBuffer(100_000)
        client = await connect(
            target_host=scene.client.service_client.config.target_host,
            namespace=scene.client.namespace,
            runtime=Runtime(telemetry=TelemetryConfig(metrics=buffer, attach_service_name=False)),
        )
        settings = scene.settings.model_copy(update={"metrics_state_interval": interval})
        engine = create_engine(settings, "metrics", pooled=False)
        stop = asyncio.Event()
        watched = schedules.watched_schedules(settings)
        running = asyncio.create_task(StateReader(engine, client, settings, watched, name).run(stop))
        try:
            yield Gauges(buffer)
        finally:
            stop.set()
            await running
            await engine.dispose()

    return run


async def test_what_waits_is_counted_by_its_cause_and_becomes_zero_after_it(scene: Scene, read: Read) -> None:
    platform = scene.platform
    for quiet in ({}, quiet_for(QUIET_NOW)):
        await platform.notification(await scene.due_project(**quiet))
    async with read("one") as gauges:
        await gauges.become("deliveries_waiting", {"limit": 1, "quiet_hours": 1}, channel="email")
        await platform.execute("UPDATE deliveries SET reason = 'smtp_connect_failed' WHERE channel = 'email'")
        await platform.execute("INSERT INTO channel_stops VALUES ('telegram', now(), now() + interval '1 day')")
        for channel in ("email", "telegram"):
            await gauges.become("deliveries_waiting", {"provider": 1, "quiet_hours": 1}, channel=channel)
        await platform.execute("INSERT INTO pauses (operator, why) VALUES ('anna', 'a bad text')")
        await gauges.become("deliveries_waiting", {"pause email": 2, "pause telegram": 2})
        await platform.execute("UPDATE deliveries SET status = 'unknown' WHERE channel = 'telegram'")
        await platform.execute("UPDATE deliveries SET channel = 'pigeon' WHERE channel = 'email'")
        await gauges.become("deliveries_waiting", {"pause unknown": 2})
        await gauges.become("deliveries_in_doubt", {"telegram": 2})
        await platform.execute(
            "INSERT INTO problems (code, subject) VALUES ('disk.a', 'x'), ('disk.b', 'x'), ('untold_items', 'x')"
        )
        await gauges.become("problems_open", {"disk": 2, "untold_items": 1})
        await platform.execute("DELETE FROM problems WHERE code LIKE 'disk%'")
        await gauges.become("problems_open", {"untold_items": 1})


async def test_of_several_processes_one_reads_and_the_next_takes_over(scene: Scene, read: Read) -> None:
    await scene.platform.notification(await scene.due_project())
    async with read("second-in-line", interval=3600) as idle:
        await idle.become("state_reader", {"": 1})
        async with read("waiting") as waiting:
            await waiting.become("state_reader", {})
            assert waiting.now("deliveries_waiting") == {}
            await scene.platform.execute("UPDATE leases SET until = now()")
            await waiting.become("state_reader", {"": 1})
            await waiting.become("deliveries_waiting", {"limit email": 1, "limit telegram": 1})
        assert waiting.now("deliveries_waiting") == waiting.now("state_reader") == {}
        assert await scene.platform.scalar("SELECT count(*) FROM leases") == 0


async def test_a_reader_that_loses_the_database_steps_down_when_its_lease_is_over(scene: Scene, read: Read) -> None:
    await scene.platform.notification(await scene.due_project())
    async with read("one") as gauges:
        await gauges.become("deliveries_waiting", {"limit email": 1, "limit telegram": 1})
        await scene.platform.execute("ALTER TABLE leases RENAME TO hidden")
        await gauges.become("state_reader", {})
        assert gauges.now("deliveries_waiting") == {}
        await scene.platform.execute("ALTER TABLE hidden RENAME TO leases")
        await gauges.become("state_reader", {"": 1})


async def test_a_scheduled_run_that_did_not_happen_lags(scene: Scene) -> None:
    settings = scene.settings.model_copy(update={"expiry_scan_cron": "* * * * *"})
    watched = schedules.watched_schedules(settings)[0]
    in_five_minutes = datetime.now(UTC) + timedelta(minutes=5)

    async def lag() -> timedelta:
        return await lag_of_runs(scene.client, watched, in_five_minutes, None)

    assert await lag() == timedelta(0)  # no such Schedule
    await schedules.apply(scene.client, settings)
    await schedules_answer(scene.client, settings)
    assert timedelta(0) < await lag() <= timedelta(minutes=1) + schedules.JITTER
    await scene.client.get_schedule_handle(watched.schedule_id).pause()
    assert await lag() == timedelta(0)
