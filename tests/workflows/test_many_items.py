"""A scan over thousands: everybody is told once, histories stay small, and no more than allowed is in flight."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from contracts.scanning import ScanExpiringResult
from tests.support.scanning import start_scan
from tests.support.scene import Scene
from tests.support.worker_process import worker_process

COMPANIES, PROJECTS_EACH = 50, 50
ITEMS = COMPANIES * PROJECTS_EACH
IN_FLIGHT, IN_FLIGHT_PER_COMPANY = 300, 6
MOST_EVENTS = 4096
"""A run's history is to stay below, far from where the server begins to warn."""

MANY_DUE = """
WITH owners AS (
    INSERT INTO companies (slug, name) SELECT 'c-' || n, 'Company ' || n FROM generate_series(1, :companies) n
    RETURNING id, slug
), addresses AS (
    INSERT INTO contacts (company_id, channel, address, address_key)
    SELECT id, channel, address, address
    FROM owners
    CROSS JOIN LATERAL (
        VALUES ('email', slug || '@customer.example'), ('telegram', split_part(slug, '-', 2))
    ) AS said (channel, address)
)
INSERT INTO projects (slug, name, company_id, expires_at)
SELECT 'p-' || id || '-' || n, 'Project ' || id || '-' || n, id, now() + interval '3 days' + n * interval '1 second'
FROM owners CROSS JOIN generate_series(1, :each) n
"""
IN_FLIGHT_NOW = """
SELECT ARRAY[coalesce(sum(rows), 0), coalesce(max(rows), 0)]::int[] FROM (
    SELECT count(*) AS rows FROM notifications n
    WHERE status = 'open' AND started_at IS NOT NULL
      AND NOT EXISTS (SELECT FROM deliveries WHERE notification_id = n.id AND claim_seq > 0)
    GROUP BY company_id
) companies
"""


@asynccontextmanager
async def sampling(scene: Scene) -> AsyncIterator[list[tuple[int, int]]]:
    """Time and again how many are in flight, in all and of one company."""
    samples: list[tuple[int, int]] = []

    async def sample() -> None:
        while True:
            in_all, of_one_company = await scene.platform.scalar(IN_FLIGHT_NOW)
            samples.append((in_all, of_one_company))
            await asyncio.sleep(0.2)  # the database tells nobody

    task = asyncio.create_task(sample())
    try:
        yield samples
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def history_lengths(scene: Scene, workflow_id: str, first_run_id: str | None) -> list[int]:
    """Of a workflow's runs, each continued as the next."""
    lengths = []
    run_id = first_run_id
    while run_id:
        history = await scene.client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
        lengths.append(len(history.events))
        run_id = history.events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return lengths


@pytest.mark.timeout(900)
async def test_thousands_are_told_once_each_by_a_scan_of_small_runs(scene: Scene) -> None:
    """At first nobody answers, until the scan has to wait for room; then all goes its way."""
    scene = scene.with_settings(
        scan_max_in_flight=IN_FLIGHT,
        scan_max_in_flight_per_company=IN_FLIGHT_PER_COMPANY,
        email_attempt_timeout=900,  # nobody is to run out of time before there is an answer, however slow the machine
        telegram_attempt_timeout=900,
    )
    await scene.platform.execute(MANY_DUE, companies=COMPANIES, each=PROJECTS_EACH)
    mails, messages = scene.sink.hold("rcpt"), scene.telegram.hold("request")
    async with worker_process(scene), sampling(scene) as samples:
        scan = await start_scan(scene.client, scene.settings)
        async with asyncio.timeout(400):
            while (IN_FLIGHT, IN_FLIGHT_PER_COMPANY) not in samples:
                await asyncio.sleep(0.2)  # as above
        mails.release()
        messages.release()
        assert await scan.result() == ScanExpiringResult(found=ITEMS, opened=ITEMS, started=ITEMS)
        async with asyncio.timeout(400):
            while (await scene.client.count_workflows("ExecutionStatus = 'Running'")).count:
                await asyncio.sleep(0.2)  # the server tells nobody

    assert Counter(each.status for each in await scene.platform.notifications()) == {"delivered": ITEMS}
    deliveries = await scene.platform.deliveries()
    assert Counter((each.status, each.attempts) for each in deliveries) == {("accepted", 1): 2 * ITEMS}
    assert len({mail.notification_id for mail in scene.sink.messages}) == len(scene.sink.messages) == ITEMS
    assert len({message.text for message in scene.telegram.messages}) == len(scene.telegram.messages) == ITEMS

    lengths = await history_lengths(scene, scan.id, scan.first_execution_run_id)
    assert len(lengths) > ITEMS / 500  # the children that one run may start
    assert max(lengths) < MOST_EVENTS
    assert max(in_all for in_all, _ in samples) == IN_FLIGHT
    assert max(of_one_company for _, of_one_company in samples) == IN_FLIGHT_PER_COMPANY
