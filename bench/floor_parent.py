"""The floor's parent. It starts abandoned children in batches and continues as new between batches."""

from __future__ import annotations

import asyncio

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from bench.floor_activities import BATCH, FloorInput

from bench.floor_child import FloorChildWorkflow


@workflow.defn
class FloorParentWorkflow:
    """Starts the children, at most `BATCH` per run."""

    @workflow.run
    async def run(self, input: FloorInput) -> None:
        rest = max(0, input.children - BATCH)
        await asyncio.gather(
            *(
                workflow.start_child_workflow(
                    FloorChildWorkflow.run,
                    child,
                    id=f"{input.prefix}-{child}",
                    parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                )
                for child in range(rest, input.children)
            )
        )
        if rest:
            workflow.continue_as_new(FloorInput(input.prefix, rest))
