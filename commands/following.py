"""Following a workflow that was started by hand, to its end."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, TypeVar

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from activities.health import pollers
from commands.output import stderr_console
from commands.running import CommandFailed, complain
from settings import Settings
from temporal.web_ui import workflow_url

LOOK_FOR_WORKER_EVERY = 5
"""Seconds."""
LIVE_POLLER = timedelta(seconds=90)
"""A live worker has polled within this time: a poll waits for a minute at most."""

Result = TypeVar("Result")


def where(settings: Settings, client: Client, workflow_id: str) -> dict[str, str]:
    """What tells an operator where to look."""
    url = workflow_url(settings.temporal_ui_url, client.namespace, workflow_id)
    return {"workflow_id": workflow_id, "web_ui_url": url}


async def follow(
    client: Client, handle: WorkflowHandle[Any, Result], queue: str, noun: str, seconds: float | None
) -> Result:
    """Waits for the workflow's end; `noun` is what it is called. Raises `CommandFailed` after `seconds`, or if it ended
    without a result."""
    hint = asyncio.create_task(_hint_at_missing_worker(client, queue, noun))
    try:
        with stderr_console().status(f"Waiting for the {noun}"):
            async with asyncio.timeout(seconds):
                return await handle.result()
    except TimeoutError:
        raise CommandFailed(f"the {noun} has not ended within {seconds:g} s; it goes on") from None
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
