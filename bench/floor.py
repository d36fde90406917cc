"""Measures the floor: the time that Temporal itself needs for work with a scan's shape."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client

from bench.floor_activities import WORKFLOWS, FloorInput
from bench.floor_child import FloorChildWorkflow
from bench.floor_parent import FloorParentWorkflow
from bench.floor_worker import READY
from bench.measure import Measured, cpu_seconds, longest, now, runs_since, spent, wait_for_children
from local.embedded.temporal import EmbeddedTemporal
from local.programs import Program

CHILD = FloorChildWorkflow.__name__


async def measure_floor(
    temporal: EmbeddedTemporal, namespace: str, folder: Path, warm_up: int, children: int
) -> Measured:
    """Runs `children` children, after `warm_up` by the same worker. Raises `BenchError` if one does not complete."""
    async with Program(
        ["-m", "bench.floor_worker"],
        log_file=folder / "worker.log",
        environment={**os.environ, "TEMPORAL_ADDRESS": temporal.address, "TEMPORAL_NAMESPACE": namespace},
    ) as worker:
        await worker.wait_for_line(READY)
        client = await Client.connect(temporal.address, namespace=namespace)
        pids = {"worker": worker.pid, "Temporal": temporal.pid or 0}
        await _run(client, "warm-up", warm_up)
        since, before = now(), cpu_seconds(pids)
        await _run(client, "measured", children)
        cpu = spent(before, cpu_seconds(pids))
    worker.require_success()
    runs = await runs_since(client, since)
    return Measured(children, runs.seconds, runs.events, runs.transitions, cpu)


async def _run(client: Client, prefix: str, children: int) -> None:
    since = now()
    await client.start_workflow(
        FloorParentWorkflow.run,
        FloorInput(prefix, children),
        id=prefix,
        task_queue=WORKFLOWS,
        execution_timeout=timedelta(seconds=longest(children)),
    )
    await wait_for_children(client, CHILD, since, children)
