"""Ends workflows of notifications that must not go on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError

from contracts.sending import HEARTBEAT_TIMEOUT
from temporal.reasons import is_missing

AT_A_TIME = 20
"""Workflows that are ended in parallel."""
PATIENCE = 2 * HEARTBEAT_TIMEOUT.total_seconds()
"""Seconds that a workflow gets to end by itself. An attempt learns of its cancellation by a heartbeat."""

log = structlog.get_logger(__name__)


async def end_workflows(client: Client, workflow_ids: Iterable[str], why: str, patience: float = PATIENCE) -> None:
    """Cancels these workflows and waits until each has recorded how it ended. Terminates what does not end, as without
    a worker. Does nothing for one that has ended or never began. May run twice. Raises `RPCError`."""
    room = asyncio.Semaphore(AT_A_TIME)

    async def end(workflow_id: str) -> None:
        async with room:
            await _end(client, workflow_id, why, patience)

    await asyncio.gather(*map(end, workflow_ids))


async def _end(client: Client, workflow_id: str, why: str, patience: float) -> None:
    handle = client.get_workflow_handle(workflow_id)
    try:
        await handle.cancel()
        try:
            async with asyncio.timeout(patience):
                await handle.result()
        except TimeoutError:
            log.warning("workflow_terminated", workflow_id=workflow_id)
            await handle.terminate(reason=why)
        except WorkflowFailureError:
            pass  # it was cancelled
    except RPCError as error:
        if not is_missing(error):
            raise
