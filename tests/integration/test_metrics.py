"""A real worker and a real API export what they do, under names and labels that do not grow."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import pytest

from activities.metrics import ALL, Attempted
from db.record.waiting import Cause
from local.programs import run_to_end
from local.stand_ins.smtp_actions import Reply
from tests.support.api_process import AWAY, PATH, running
from tests.support.metrics import FREE_PORT, Scraped, scrape
from tests.support.scanning import all_finished
from tests.support.scene import EMAIL, PATIENCE, Scene
from tests.support.settings_for import API_KEY, REQUIRED
from tests.support.worker_process import environment, worker_process

CHAT = 471100000815
"""Long enough that no number holds it by chance."""
GONE = "gone@customer.example"
OF_ACTIVITY = {"namespace", "task_queue", "activity_type"}
"""The labels that the SDK adds in an activity."""


@dataclass(frozen=True)
class Exported:
    worker: Scraped
    api: Scraped
    people: list[str]
    """What must not be in there."""


@pytest.fixture
async def exported(scene: Scene) -> AsyncIterator[Exported]:
    """What both export after a scan for two companies, one with an address that is gone, and a test notification."""
    await scene.due_project(telegram_chat_id=CHAT)
    await scene.due_project(contact_email=GONE, telegram_chat_id=CHAT + 1)
    scene.sink.always("rcpt", Reply(550, "5.1.1 no such user"), recipient=GONE)
    variables = environment(scene.client, scene.settings) | {"API_PORT": "0", "API_METRICS_ADDRESS": FREE_PORT}
    async with (
        worker_process(scene, METRICS_ADDRESS=FREE_PORT, METRICS_STATE_INTERVAL="0.1") as worker,
        running(**variables) as api,
        httpx.AsyncClient(base_url=api.url, headers={"X-API-Key": API_KEY}, timeout=30) as http,
    ):
        before = await scrape(worker)
        assert before.total("expiry_delivery_attempts_total", channel="email", outcome="accepted") == 0
        await scene.scan()
        started = await http.post("/notifications/test", json={"email": "test@customer.example"})
        assert started.status_code == 202
        await all_finished(scene.client, [each.workflow_id for each in await scene.platform.notifications()])
        assert (await http.get("/notifications/999/secret-in-a-path")).status_code == 404
        notifications = await scene.platform.notifications()
        names = [each["name"] for each in await scene.platform.rows("SELECT name FROM companies")]
        keys = [each.dedupe_key for each in notifications]
        people = [EMAIL, GONE, "customer.example", str(CHAT), "secret-in-a-path", scene.telegram.token, *names, *keys]
        await worker.says('"state_reader_started"')
        read_at = (await scrape(worker)).total("expiry_state_read_timestamp_seconds")
        async with asyncio.timeout(PATIENCE):
            while (await scrape(worker)).total("expiry_state_read_timestamp_seconds") == read_at:
                await asyncio.sleep(0.05)  # the exporter tells nobody
        yield Exported(await scrape(worker), await scrape(api.process), people)


async def test_they_count_what_was_opened_attempted_and_ended(exported: Exported) -> None:
    worker, api = exported.worker, exported.api
    opened, attempts, ended = (
        f"expiry_{what}_total" for what in ("notifications_opened", "delivery_attempts", "deliveries_ended")
    )
    assert worker.total(opened, notification_type="expiring") == 2
    assert worker.total(opened, notification_type="expired") == 0
    assert api.total(opened, notification_type="test") == 1
    assert worker.total(attempts, channel="email", outcome="accepted") == 2
    assert worker.total(attempts, channel="email", outcome="rejected") == 1
    assert worker.total(attempts, channel="telegram", outcome="accepted") == 2
    assert worker.total(attempts) == 5
    assert worker.total(ended, outcome="accepted", reason_class="none") == 4
    assert worker.total(ended, channel="email", outcome="rejected", reason_class="recipient") == 1
    assert worker.total(ended, outcome="failed") == worker.total(ended, outcome="unknown") == 0
    assert worker.total("expiry_accepted_after_seconds_count", notification_type="expiring") == 3
    assert worker.total("expiry_accepted_after_seconds_count", channel="email", notification_type="test") == 1
    assert worker.total("expiry_page_items_sum", page="due") == 2
    assert api.total("expiry_api_request_duration_seconds_count", route="/notifications/test", status="202") == 1

    assert worker.total("expiry_state_reader") == 1
    assert worker.total("expiry_deliveries_waiting") == worker.total("expiry_deliveries_in_doubt") == 0
    assert {each.labels["cause"] for each in worker.samples if each.name == "expiry_deliveries_waiting"} == set(Cause)
    assert worker.total("expiry_problems_open") == worker.total("expiry_scan_lag_seconds") == 0

    scraped = worker.labels_of(), api.labels_of()
    for metric in ALL:
        for labels in (each[metric.name] for each in scraped if metric.name in each):
            assert labels - OF_ACTIVITY == set(metric.labels), metric.name
    assert {metric.name for metric in ALL} <= {name for each in scraped for name in each}
    assert {metric.name: metric.kind for metric in ALL}.items() <= (worker.kinds | api.kinds).items()
    outcomes = {each.labels["outcome"] for each in worker.samples if each.name == attempts}
    assert outcomes == set(Attempted)

    assert worker.total("temporal_worker_task_slots_available") > 0
    assert worker.total("temporal_activity_execution_latency_seconds_count", activity_type="send_email") > 0
    for text in (worker.text, api.text):
        assert [person for person in exported.people if person in text] == []
        assert "temporal-core-sdk" not in text


@contextmanager
def busy() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("program", "setting", "more"),
    [
        (["worker.py"], "METRICS_ADDRESS", {}),
        (["-m", "api"], "API_METRICS_ADDRESS", AWAY | {"API_KEYS": API_KEY}),
    ],
)
async def test_a_busy_port_ends_it_with_status_2_and_one_line(
    program: list[str], setting: str, more: dict[str, str]
) -> None:
    with busy() as address:
        ended = await run_to_end(program, environment=PATH | REQUIRED | more | {setting: address})
    assert ended.status == 2
    assert ended.err.endswith(f": {setting}: cannot listen on {address}: Address already in use\n")
    assert ended.err.count("\n") == 1


async def test_a_name_without_an_address_is_named() -> None:
    ended = await run_to_end(["worker.py"], environment=PATH | REQUIRED | {"METRICS_ADDRESS": "no-such-host.invalid:0"})
    assert ended.status == 2
    assert "METRICS_ADDRESS: cannot listen on no-such-host.invalid:0" in ended.err


async def test_a_command_does_not_listen(scene: Scene) -> None:
    with busy() as address:
        variables = environment(scene.client, scene.settings)
        taken = {"METRICS_ADDRESS": address, "API_METRICS_ADDRESS": address}
        ended = await run_to_end(["cli.py", "schedules", "apply"], environment=variables | taken)
    assert ended.status == 0, ended.err
