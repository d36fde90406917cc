"""A worker in the test's own process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from temporalio.client import Client
from temporalio.worker import WorkflowRunner

from channels.registry import all_queues
from settings import Settings
from temporal.runners import SANDBOXED
from worker import run_worker

RunWorker = Callable[..., AbstractAsyncContextManager[None]]
"""`async with run_worker(settings):` serves all queues, or those given, as `worker.py` does."""


def serving(client: Client, runner: WorkflowRunner = SANDBOXED) -> RunWorker:
    @asynccontextmanager
    async def run(settings: Settings, queues: tuple[str, ...] | None = None) -> AsyncIterator[None]:
        stop = asyncio.Event()
        running = asyncio.create_task(run_worker(settings, client, queues or all_queues(), stop, runner))
        try:
            yield
        finally:
            stop.set()
            await running

    return run
