"""Finds and downloads the histories of the live namespace that a replay covers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from temporalio.client import Client, WorkflowExecution, WorkflowHistory
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

RUNNING = "ExecutionStatus = 'Running'"
ENDED = "ExecutionStatus != 'Running'"
AT_ONCE = 10
"""Histories that are downloaded at a time."""

_PATCHES = SearchAttributeKey.for_keyword_list("TemporalChangeVersion")
"""Temporal sets it: the patches that a workflow has passed."""


@dataclass(frozen=True)
class Found:
    """A workflow's run, with its history."""

    execution: WorkflowExecution
    history: WorkflowHistory


def ours(queue: str, workflow_types: Iterable[str]) -> str:
    """Returns a query for the workflows of these types in the task queue."""
    return f"TaskQueue = {_quoted(queue)} AND WorkflowType IN ({_all_quoted(workflow_types)})"


def others_running(queue: str, workflow_types: Iterable[str]) -> str:
    """Returns a query for what runs in the task queue and is of none of these types."""
    return f"TaskQueue = {_quoted(queue)} AND {RUNNING} AND WorkflowType NOT IN ({_all_quoted(workflow_types)})"


def running(query: str) -> str:
    """Returns the query, for what runs only. Without a query: for all that runs."""
    return _both(query, RUNNING)


async def count(client: Client, query: str) -> int:
    """Returns how many workflows match."""
    return (await client.count_workflows(query)).count


async def count_types(client: Client, query: str) -> Counter[str]:
    """Returns how many of the workflows that match are of which type."""
    return Counter([each.workflow_type async for each in client.list_workflows(query)])


async def count_patches(client: Client, query: str, known: set[str]) -> Counter[str]:
    """Returns how many of the workflows that match have passed which patch that is not among those known."""
    passed = client.list_workflows(_both(query, f"{_PATCHES.name} IS NOT NULL"))
    return Counter(
        [
            patch
            async for each in passed
            for patch in each.typed_search_attributes.get(_PATCHES, [])
            if patch not in known
        ]
    )


async def find(client: Client, query: str, limit: int) -> AsyncIterator[Found]:
    """Yields at most `limit` of those that match, what runs first, the newest first. Leaves out what was deleted
    meanwhile."""
    left = limit
    for part in (RUNNING, ENDED):
        if left <= 0:
            return
        page: list[WorkflowExecution] = []
        async for execution in client.list_workflows(_both(query, part), limit=left):
            left -= 1
            page.append(execution)
            if len(page) == AT_ONCE:
                for found in await _download(client, page):
                    yield found
                page = []
        for found in await _download(client, page):
            yield found


async def _download(client: Client, page: list[WorkflowExecution]) -> list[Found]:
    histories = await asyncio.gather(*(_history(client, each) for each in page))
    return [Found(execution, history) for execution, history in zip(page, histories, strict=True) if history]


async def _history(client: Client, execution: WorkflowExecution) -> WorkflowHistory | None:
    try:
        return await client.get_workflow_handle(execution.id, run_id=execution.run_id).fetch_history()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


def _both(query: str, more: str) -> str:
    return f"({query}) AND {more}" if query.strip() else more


def _all_quoted(values: Iterable[str]) -> str:
    return ", ".join(map(_quoted, values))


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
