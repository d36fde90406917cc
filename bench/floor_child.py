"""The floor's child. It has a module of its own, because the sandbox loads the module again for every workflow."""

from __future__ import annotations

import asyncio

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from bench.floor_activities import FIRST, SECOND, TIMEOUT, first_no_op, second_no_op


@workflow.defn
class FloorChildWorkflow:
    """Runs two activities in parallel, each on a task queue of its own."""

    @workflow.run
    async def run(self, child: int) -> None:
        await asyncio.gather(
            workflow.execute_activity(first_no_op, child, task_queue=FIRST, start_to_close_timeout=TIMEOUT),
            workflow.execute_activity(second_no_op, child, task_queue=SECOND, start_to_close_timeout=TIMEOUT),
        )
