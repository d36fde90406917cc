"""A workflow that a command starts: start it, follow it to its end, print what it came to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy

from activities.health import pollers
from channels.configured import require_a_channel
from commands.output import print_json, print_line, stderr_console
from commands.pausing import tell_if_paused
from commands.running import CommandFailed, complain, temporal_client, temporal_errors
from contracts.queues import WORKFLOWS, task_queue
from settings import Settings
from temporal.web_ui import workflow_url

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

LOOK_FOR_WORKER_EVERY = 5
"""Seconds."""
LIVE_POLLER = timedelta(seconds=90)
"""A live worker has polled within this time: a poll waits for a minute at most."""

Input = TypeVar("Input")
Result = TypeVar("Result", bound="DataclassInstance")


@dataclass(frozen=True)
class ByHand(Generic[Input, Result]):
    """A workflow that operators start by hand, under one id: there is one at a time."""

    run: Callable[[Any, Input], Awaitable[Result]]
    workflow_id: str
    noun: str
    """What it is called."""
    summary: str
    """What the Web UI says of it."""
    sentences: Callable[[Result], Iterable[str]]
    """What it came to, for people."""
    sends: bool
    """Companies are sent notifications: that needs a channel, and a pause holds them back."""


async def start_and_follow(
    settings: Settings,
    story: ByHand[Input, Result],
    input: Input,
    *,
    wait: bool,
    as_json: bool,
    timeout: float | None = None,  # noqa: ASYNC109 - it is a command's option
) -> Result | None:
    """Starts it and prints where to look; with `wait` follows it to its end and prints what it came to.

    If one that was started by hand is still running, this follows that one. `timeout` is in seconds; after it the
    workflow keeps running. Returns the result, or None without `wait`. Raises `CommandFailed` and `SettingsError`.
    """
    if story.sends:
        require_a_channel(settings)
    client = await temporal_client()
    queue = task_queue(settings.task_queue_prefix, WORKFLOWS)
    result = None
    async with temporal_errors():
        handle = await client.start_workflow(
            story.run,
            input,
            id=story.workflow_id,
            task_queue=queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=story.summary,
        )
        url = workflow_url(settings.temporal_ui_url, client.namespace, handle.id)
        if story.sends:
            await tell_if_paused(settings)
        if wait:
            complain(_started(story, url))
            result = await _follow(client, handle, queue, story.noun, timeout)
    if as_json:
        print_json({"workflow_id": handle.id, "web_ui_url": url} | (asdict(result) if result else {}))
    elif result is None:
        print_line(_started(story, url))
    else:
        for sentence in story.sentences(result):
            print_line(sentence)
    return result


def _started(story: ByHand[Any, Any], url: str) -> str:
    return f"{story.noun.capitalize()} {story.workflow_id}: {url}"


async def _follow(
    client: Client, handle: WorkflowHandle[Any, Result], queue: str, noun: str, seconds: float | None
) -> Result:
    """Waits for the workflow's end. Raises `CommandFailed` after `seconds`, or if it ended without a result."""
    hint = asyncio.create_task(_hint_at_missing_worker(client, queue, noun))
    try:
        with stderr_console().status(f"Waiting for the {noun}"):
            async with asyncio.timeout(seconds):
                return await handle.result()
    except TimeoutError:
        raise CommandFailed(f"the {noun} has not ended within {seconds:g} s; it keeps running") from None
    except WorkflowFailureError as error:
        raise CommandFailed(f"the {noun} ended without a result: {error.cause}") from error
    finally:
        hint.cancel()
        await asyncio.gather(hint, return_exceptions=True)


async def _hint_at_missing_worker(client: Client, queue: str, noun: str) -> None:
    """Says so, once, when no worker polls the queue."""
    while True:
        await asyncio.sleep(LOOK_FOR_WORKER_EVERY)
        answer = await pollers.look_at(client, queue, pollers.WORKFLOW)
        if not pollers.recent(answer.pollers, LIVE_POLLER):
            complain(f"No worker polls the task queue {queue}, so the {noun} waits: start `python worker.py`.")
            return
