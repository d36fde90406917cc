"""Lets a process that runs go on with new credentials for Temporal, once their files have changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import structlog
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from settings import SettingsError
from temporal.client import Credentials, RenewableClient
from temporal.reasons import why_away

LOOK_EVERY = 10.0
"""Seconds between two looks at the files. New credentials are used after the second look that finds them."""

log = structlog.get_logger(__name__)


@asynccontextmanager
async def current_credentials(client: Client, workers: Sequence[Worker] = ()) -> AsyncIterator[None]:
    """Keeps the client and the workers on current credentials during the block.

    Requests that are under way end on the old connection. A client that `temporal.client.connect` did not make keeps
    what it has.
    """
    if not isinstance(client, RenewableClient):
        yield
        return
    watching = asyncio.create_task(_watch(client, workers))
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def _watch(client: RenewableClient, workers: Sequence[Worker]) -> None:
    used = found = client.credentials
    while True:
        await asyncio.sleep(LOOK_EVERY)
        before, found = found, _read(client, found)
        # The second look: a certificate and its key are not written at the same moment.
        if found == before != used and await _is_renewed(client, workers):
            used = found


def _read(client: RenewableClient, before: Credentials) -> Credentials:
    try:
        return client.current_credentials()
    except SettingsError as error:
        log.error("temporal_credentials_unreadable", error=str(error))
        return before


async def _is_renewed(client: RenewableClient, workers: Sequence[Worker]) -> bool:
    """Returns False if the new credentials cannot be used. Then the old connection stays, and the next look tries
    again."""
    try:
        await client.renew()
        for worker in workers:
            worker.client = client
    except (RPCError, RuntimeError, SettingsError, ValueError) as error:
        log.error("temporal_credentials_refused", error=why_away(error))
        return False
    log.info("temporal_credentials_renewed")
    return True
