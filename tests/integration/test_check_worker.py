"""The health check of the worker's container, against a real server."""

import asyncio
import socket
from collections.abc import Iterable

import pytest
from temporalio.client import Client

from channels.registry import all_queues
from contracts.queues import WORKFLOWS, task_queues
from deploy.check_worker import main, silent_queues
from runtime.this_host import this_host
from settings import Settings
from tests.support.scene import Scene
from tests.support.serving import RunWorker
from tests.support.worker_process import worker_process

HERE = socket.gethostname()


async def until_silent_are(client: Client, settings: Settings, queues: Iterable[str], host: str = HERE) -> None:
    expected = [name for queue in queues for name in task_queues(settings.task_queue_prefix, queue)]
    async with asyncio.timeout(30):
        while await silent_queues(client, settings.task_queue_prefix, all_queues(), host) != expected:
            await asyncio.sleep(0.1)


async def test_a_worker_is_seen_on_each_of_its_queues(
    temporal: Client, settings: Settings, run_worker: RunWorker
) -> None:
    async with run_worker(settings):
        await until_silent_are(temporal, settings, [])


async def test_a_queue_that_it_does_not_serve_is_silent(
    temporal: Client, settings: Settings, run_worker: RunWorker
) -> None:
    async with run_worker(settings, (WORKFLOWS, "telegram")):
        await until_silent_are(temporal, settings, ["email"])


async def test_another_hosts_worker_does_not_count(temporal: Client, settings: Settings, run_worker: RunWorker) -> None:
    async with run_worker(settings):
        await until_silent_are(temporal, settings, [])
        await until_silent_are(temporal, settings, all_queues(), host="elsewhere")


async def test_containers_with_the_same_host_name_are_told_apart(scene: Scene) -> None:
    """Docker Compose gives all of them one name."""
    async with worker_process(scene):
        await until_silent_are(scene.client, scene.settings, [], host=this_host())
        await until_silent_are(scene.client, scene.settings, all_queues(), host=f"{HERE}/192.0.2.1")


async def test_with_temporal_away_it_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = "{}:{}".format(*unused.getsockname())
    monkeypatch.setenv("TEMPORAL_ADDRESS", address)
    assert await main([]) == 1
    assert "cannot reach Temporal" in capsys.readouterr().err


async def test_a_wrong_setting_is_told_from_a_silent_worker(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SMTP_PORT", "many")
    assert await main([]) == 2
    assert "SMTP_PORT" in capsys.readouterr().err
