"""Whether a worker can do its work: its pollers run, the database is at the right revision, and Temporal answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from db.engine import autocommit
from db.errors import DATABASE_ERRORS
from db.revision import WrongRevision, require_usable
from runtime.probes import NotReady

TEMPORAL_SECONDS = 2.0


async def check_namespace(client: Client, seconds: float) -> None:
    """Raises RPCError unless Temporal answers for the client's namespace in time.

    Temporal's own health check would pass with a wrong namespace, or without access to it.
    """
    await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=client.namespace), timeout=timedelta(seconds=seconds)
    )


def worker_readiness(workers: Sequence[Worker], client: Client, engine: AsyncEngine) -> Callable[[], Awaitable[None]]:
    """Returns a check that raises `NotReady`.

    `engine` should open a connection for each use, so that the check does not wait for the pool of the work.
    """

    async def check() -> None:
        if not workers or not all(worker.is_running for worker in workers):
            raise NotReady("not all workers run")
        try:
            async with autocommit(engine).connect() as connection:
                await require_usable(connection)
        except WrongRevision as error:
            raise NotReady(str(error)) from None
        except DATABASE_ERRORS as error:
            raise NotReady(f"the database is away: {type(error).__name__}") from None
        try:
            await check_namespace(client, TEMPORAL_SECONDS)
        except RPCError as error:
            raise NotReady(f"Temporal is away: {error.status.name}") from None

    return check
