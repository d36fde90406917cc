"""Starts a workflow by hand, follows it to its end and prints its result."""

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
"""A live worker has polled within this time: one poll lasts a minute at most."""

Input = TypeVar("Input")
Result = TypeVar("Result", bound="DataclassInstance")


@dataclass(frozen=True)
class ByHand(Generic[Input, Result]):
    """A workflow that operators start by hand, under a fixed id, so that only one runs at a time."""

    run: Callable[[Any, Input], Awaitable[Result]]
    workflow_id: str
    noun: str
    """What messages call it."""
    summary: str
    """Its summary in the Web UI."""
    sentences: Callable[[Result], Iterable[str]]
    """The result in words."""
    sends: bool
    """Whether it sends notifications to companies: that needs a channel, and a pause holds them."""
    waits_for_worker: bool = True
    """Whether to wait while no worker takes it. If not, the command fails at once."""


async def start_and_follow(
    settings: Settings,
    story: ByHand[Input, Result],
    input: Input,
    *,
    wait: bool,
    as_json: bool,
    timeout: float | None = None,  # noqa: ASYNC109 - it is a command's option
) -> Result | None:
    """Starts the workflow and prints its URL; with `wait`, follows it to its end and prints the result.

    If one that was started by hand is still running, this follows that one. After `timeout` seconds this fails; the
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
            complain(_where_to_look(story, url))
            result = await _follow(client, handle, queue, story, timeout)
    if as_json:
        print_json({"workflow_id": handle.id, "web_ui_url": url} | (asdict(result) if result else {}))
    elif result is None:
        print_line(_where_to_look(story, url))
    else:
        for sentence in story.sentences(result):
            print_line(sentence)
    return result


def _where_to_look(story: ByHand[Any, Any], url: str) -> str:
    return f"{story.noun.capitalize()} {story.workflow_id}: {url}"


async def _follow(
    client: Client, handle: WorkflowHandle[Any, Result], queue: str, story: ByHand[Any, Any], seconds: float | None
) -> Result:
    """Waits for the workflow's result. Raises `CommandFailed` after `seconds`, if it ends without a result, or if it
    would wait for a worker that it should not wait for."""
    noun = story.noun
    result = asyncio.create_task(handle.result())
    looking = asyncio.create_task(_no_worker_polls(client, queue))
    try:
        with stderr_console().status(f"Waiting for the {noun}"):
            async with asyncio.timeout(seconds):
                await asyncio.wait((result, looking), return_when=asyncio.FIRST_COMPLETED)
                if not result.done() and looking.exception() is None:
                    _tell_of_missing_worker(story, queue)
                return await result
    except TimeoutError:
        raise CommandFailed(f"the {noun} did not end within {seconds:g} s; it keeps running") from None
    except WorkflowFailureError as error:
        raise CommandFailed(f"the {noun} ended without a result: {error.cause}") from error
    finally:
        for task in (result, looking):
            task.cancel()
        await asyncio.gather(result, looking, return_exceptions=True)


def _tell_of_missing_worker(story: ByHand[Any, Any], queue: str) -> None:
    """Says that no worker polls the queue, as a hint or as the failure that it is."""
    if not story.waits_for_worker:
        raise CommandFailed(
            f"no worker polls the task queue {queue}, so the {story.noun} cannot run: start `python worker.py`"
        )
    complain(f"The {story.noun} waits: no worker polls the task queue {queue}. Start `python worker.py`.")


async def _no_worker_polls(client: Client, queue: str) -> None:
    """Returns when no worker polls the queue."""
    while True:
        await asyncio.sleep(LOOK_FOR_WORKER_EVERY)
        answer = await pollers.look_at(client, queue, pollers.WORKFLOW)
        if not pollers.recent(answer.pollers, LIVE_POLLER):
            return
