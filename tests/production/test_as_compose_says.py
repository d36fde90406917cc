"""A dozen companies are told on both channels, by the programs of docker-compose.yml in their order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from temporalio.api.workflowservice.v1 import GetClusterInfoRequest
from temporalio.client import Client

from channels.registry import all_queues
from local.embedded.temporal_build import VERSION
from local.stand_ins.telegram_api import TelegramApi
from local.stand_ins.telegram_limits import SendingLimits
from temporal import rate_limits
from temporal.schedules import watched_schedules
from tests.production.temporal_server import TemporalServer
from tests.support.api_process import running
from tests.support.command_line import operate
from tests.support.queue_limits import limits_in_the_server
from tests.support.scene import PATIENCE, Scene
from tests.support.worker_process import environment, worker_process

COMPANIES, PROJECTS = 12, 24


async def migrated(scene: Scene) -> None:
    ended = await operate(scene, "migrate")
    assert ended.status == 0, ended.err


async def visible(client: Client, query: str, expected: int) -> None:
    """Waits until Temporal's visibility, which follows its histories, counts so many workflows."""
    async with asyncio.timeout(PATIENCE):
        while (await client.count_workflows(query)).count != expected:
            await asyncio.sleep(0.1)  # it is asked, it does not tell


async def test_the_server_is_the_one_of_compose(temporal: Client, temporal_server: TemporalServer) -> None:
    info = await temporal.workflow_service.get_cluster_info(GetClusterInfoRequest())
    assert (info.server_version, info.persistence_store, info.visibility_store) == (VERSION, "postgres12", "postgres12")
    assert info.history_shard_count == int(temporal_server.environment["NUM_HISTORY_SHARDS"]) == 512


async def test_migrate_worker_schedules_api_and_a_scan(scene: Scene) -> None:
    await migrated(scene)
    for _ in range(COMPANIES):
        company = await scene.platform.company()
        for _ in range(PROJECTS // COMPANIES):
            await scene.platform.project(company)
    async with (
        worker_process(scene),
        running(**environment(scene.client, scene.settings) | {"API_PORT": "0"}) as api,
    ):
        applied = await operate(scene, "schedules", "apply")
        assert applied.status == 0, applied.err
        described = [
            await scene.client.get_schedule_handle(each.schedule_id).describe()
            for each in watched_schedules(scene.settings)
        ]
        assert all(each.info.next_action_times for each in described)
        async with httpx.AsyncClient(base_url=api.url) as client:
            ready = await client.get("/readyz")
            assert (ready.status_code, ready.json()["checks"]) == (200, {"database": "ok", "temporal": "ok"})
        scanned = await operate(scene, "scan", "--wait")
        assert scanned.status == 0, scanned.err
        await scene.children_end()
    rows = await scene.platform.rows("SELECT channel, status, count(*) AS count FROM deliveries GROUP BY 1, 2")
    assert {(row["channel"], row["status"], row["count"]) for row in rows} == {
        ("email", "accepted", PROJECTS),
        ("telegram", "accepted", PROJECTS),
    }
    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (PROJECTS, PROJECTS)
    queue = f'TaskQueue="{scene.settings.task_queue_prefix}workflows" AND WorkflowType="SendNotificationWorkflow"'
    outcomes = 'DeliveryOutcomes="email:accepted" AND DeliveryOutcomes="telegram:accepted"'
    await visible(scene.client, f"{queue} AND {outcomes}", PROJECTS)
    project = (await scene.platform.notifications())[0].project_id
    await visible(scene.client, f'{queue} AND ProjectId="{project}" AND NotificationType="expiring"', 1)


BIG, SMALL, OF_THE_BIG = 100, 200, 4


@pytest.fixture
async def limited(scene: Scene) -> AsyncIterator[Scene]:
    """With Telegram's own limits on both sides."""
    async with TelegramApi(token=scene.telegram.token, limits=SendingLimits()) as telegram:
        rates = {"telegram_chat_rate": 1.0, "telegram_group_rate_per_minute": 20.0, "telegram_rate": 30.0}
        settings = scene.settings.model_copy(update={"telegram_api_url": telegram.url, **rates})
        yield replace(scene, telegram=telegram, settings=settings)


async def test_the_limits_are_in_force_and_one_chats_backlog_holds_back_no_other(limited: Scene) -> None:
    await migrated(limited)
    big = await limited.platform.company(telegram_chat_id=BIG)
    for _ in range(OF_THE_BIG):
        await limited.platform.project(big)
    await limited.platform.project(await limited.platform.company(telegram_chat_id=SMALL))
    async with limited.worker():
        for limits in rate_limits.queue_limits(limited.settings, all_queues()):
            expected = (round(limits.in_all, 2), round(limits.for_each_key, 2))
            async with asyncio.timeout(PATIENCE):
                while await limits_in_the_server(limited.client, limits.name) != expected:
                    await asyncio.sleep(0.1)  # one part of the server tells the other
        await limited.scan()
        await limited.children_end()
    order = [message.chat_id for message in limited.telegram.messages]
    assert sorted(order) == [BIG] * OF_THE_BIG + [SMALL]
    assert order.index(SMALL) < OF_THE_BIG - 1
    # The queue lets two through at once, of which Telegram puts off the second: nothing is lost by it.
    assert limited.telegram.attempts("request") <= 2 * (OF_THE_BIG + 1)
