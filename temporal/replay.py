"""Replays histories of the live namespace against this checkout's workflow code, in the sandbox."""

from __future__ import annotations

import ast
import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import WorkflowHistory
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import Replayer

from temporal.client import DATA_CONVERTER
from temporal.nondeterminism import what_happened, what_the_code_does
from temporal.runners import SANDBOXED
from workflows.registry import WORKFLOW_TYPES

_WORKFLOWS = Path(__file__).parents[1] / "workflows"
_PATCH_CALLS = {"patched", "deprecate_patch"}


@dataclass(frozen=True)
class Difference:
    """Where a history and the code part."""

    event_id: int
    history: str
    """What the workflow did at that event, as a verb with its object."""
    code: str
    """What the code does instead."""
    raw: str
    """What the SDK says."""


Replay = Callable[[WorkflowHistory], Awaitable[Difference | None]]


def workflow_type_names() -> list[str]:
    """Returns the names of this checkout's workflow types."""
    return [each.__name__ for each in WORKFLOW_TYPES]


def known_patches(folder: Path = _WORKFLOWS) -> set[str]:
    """Returns the patches that this checkout's workflow code names."""
    return {patch for file in folder.rglob("*.py") for patch in _patches_of(ast.parse(file.read_text("utf-8")))}


def _patches_of(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=name), args=[ast.Constant(value=str(patch))]) if name in _PATCH_CALLS:
                yield patch
            case _:
                pass


def has_taken_a_step(history: WorkflowHistory) -> bool:
    """Returns whether there is something to replay. The SDK's replayer waits for ever for a run without a step."""
    return _before_first_step(history) < len(history.events)


def _before_first_step(history: WorkflowHistory) -> int:
    """Returns the number of events before the first workflow task that was completed."""
    steps = (event.HasField("workflow_task_completed_event_attributes") for event in history.events)
    return next((number for number, is_one in enumerate(steps) if is_one), len(history.events))


@asynccontextmanager
async def replayer(workflows: Sequence[type] = WORKFLOW_TYPES) -> AsyncIterator[Replay]:
    """Yields a function that replays one history after another. It may be cut off anywhere: a workflow may be running.

    Raises RuntimeError if the workflow code cannot be loaded in the sandbox.
    """
    feed: asyncio.Queue[WorkflowHistory | None] = asyncio.Queue()

    async def histories() -> AsyncIterator[WorkflowHistory]:
        while (history := await feed.get()) is not None:
            yield history

    sdk = Replayer(
        workflows=workflows,
        workflow_runner=SANDBOXED,
        data_converter=DATA_CONVERTER,
        # The core would write its debug form of each difference to stdout.
        runtime=Runtime(telemetry=TelemetryConfig(logging=None)),
    )
    with _quiet():
        async with sdk.workflow_replay_iterator(histories()) as results:

            async def fails(history: WorkflowHistory) -> Exception | None:
                await feed.put(history)
                return (await anext(results)).replay_failure

            async def replay(history: WorkflowHistory) -> Difference | None:
                failure = await fails(history)
                return await _locate(history, str(failure), fails) if failure else None

            yield replay
            await feed.put(None)
            async for _ in results:
                pass


async def _locate(
    history: WorkflowHistory, raw: str, fails: Callable[[WorkflowHistory], Awaitable[Exception | None]]
) -> Difference:
    """Finds the shortest beginning of the history that fails: its last event is the one that differs. Many of the SDK's
    messages have no event's number."""
    events = list(history.events)
    passes_at, fails_at = _before_first_step(history), len(events)
    while fails_at - passes_at > 1:
        length = (passes_at + fails_at) // 2
        failure = await fails(WorkflowHistory(history.workflow_id, events[:length]))
        if failure is None:
            passes_at = length
        else:
            fails_at, raw = length, str(failure)
    event = events[fails_at - 1]
    return Difference(event.event_id, what_happened(event), what_the_code_does(raw), raw)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the SDK from logging a traceback for each difference: it is part of the difference's raw text."""
    logger = logging.getLogger("temporalio.worker")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
