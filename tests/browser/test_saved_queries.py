"""Every query that docs/web-ui.md lists finds in the Web UI what the page says, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from temporalio.client import Client

from local.embedded.temporal import EmbeddedTemporal
from tests.browser.story import Story

pytestmark = pytest.mark.browser

PAGE = Path(__file__).parents[2] / "docs" / "web-ui.md"
_ROW = re.compile(r"^\| (?P<what>[^|]+) \| `(?P<query>[^`]+=[^`]*|[^`]+ IN [^`]+)` \|$", re.MULTILINE)
QUERIES = {row["what"]: row["query"] for row in _ROW.finditer(PAGE.read_text(encoding="utf-8"))}

EXPECTED: dict[str, Callable[[Story], set[str]]] = {
    "One company": lambda story: {story.notice_id},
    "One project": lambda story: {story.notice_id},
    "What ends in a number of days": lambda story: {story.notice_id},
    "Waiting on SMTP": lambda story: {story.trouble.waiting},
    "Waiting because of greylisting": lambda story: {story.trouble.waiting},
    "Under way": lambda story: {story.trouble.waiting},
    "In doubt": lambda story: {story.trouble.in_doubt},
    "Refused by Telegram": lambda story: {story.notice_id},
    "Failed workflows": lambda story: {story.trouble.timed_out},
    "All children of a scan": lambda story: set(story.children),
}
SLOWEST = "Slowest"


def test_every_query_of_the_page_is_run() -> None:
    assert QUERIES.keys() == EXPECTED.keys() | {SLOWEST}


@pytest.mark.parametrize("what", EXPECTED)
async def test_a_query_of_the_page_finds_what_it_says(page: Page, story: Story, what: str) -> None:
    query = re.sub(r"scan-expiring-[^\"]+", story.scan_id, QUERIES[what])
    await expect_found(page, story, query, EXPECTED[what](story))


async def test_the_slowest_is_found(page: Page, story: Story, temporal_server: EmbeddedTemporal) -> None:
    """With a limit in between the slowest of this story and the next: nothing here takes a minute."""
    client = await Client.connect(temporal_server.address, namespace=temporal_server.namespace)
    took = {}
    for workflow_id in (*story.children, story.trouble.in_doubt):
        description = await client.get_workflow_handle(workflow_id).describe()
        assert description.close_time is not None
        took[workflow_id] = (description.close_time - description.start_time).total_seconds() * 1000
    slowest, second = sorted(took, key=took.__getitem__, reverse=True)[:2]
    query = QUERIES[SLOWEST].replace('"1m"', f'"{(took[slowest] + took[second]) / 2:.3f}ms"')
    assert query != QUERIES[SLOWEST]
    await expect_found(page, story, query, {slowest})


async def expect_found(page: Page, story: Story, query: str, ids: set[str]) -> None:
    await page.goto(story.workflows_url(query))
    rows = page.get_by_test_id("workflows-summary-configurable-table-row")
    await expect(rows).to_have_count(len(ids))
    for workflow_id in ids:
        await expect(rows.filter(has_text=workflow_id)).to_have_count(1)
