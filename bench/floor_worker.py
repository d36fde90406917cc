"""Serves the floor's queues with the pollers and concurrency of `worker.py`: `python -m bench.floor_worker`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from temporalio.worker import PollerBehaviorAutoscaling, Worker

from bench.floor_activities import FIRST, SECOND, WORKFLOWS, first_no_op, second_no_op
from bench.floor_child import FloorChildWorkflow
from bench.floor_parent import FloorParentWorkflow
from runtime import leaving, signals
from settings import Settings
from temporal.client import connect

READY = "floor_worker_ready"

QUEUES: dict[str, tuple[list[type], list[Callable[..., Any]]]] = {
    WORKFLOWS: ([FloorParentWorkflow, FloorChildWorkflow], []),
    FIRST: ([], [first_no_op]),
    SECOND: ([], [second_no_op]),
}


async def main() -> int:
    """Runs until SIGTERM or SIGINT. Prints a line once it is ready."""
    stop = signals.stop_on_signals()
    client = await connect()
    concurrency = Settings.load().worker_concurrency
    async with AsyncExitStack() as stack:
        for queue, (workflows, activities) in QUEUES.items():
            worker = Worker(
                client,
                task_queue=queue,
                workflows=workflows,
                activities=activities,
                max_concurrent_activities=concurrency,
                workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
                activity_task_poller_behavior=PollerBehaviorAutoscaling(),
            )
            await stack.enter_async_context(worker)
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()
        await stop.wait()
    return 0


if __name__ == "__main__":
    leaving.run(main)
