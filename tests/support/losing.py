"""A Temporal that knows nothing of a workflow any more."""

from __future__ import annotations

import asyncio

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.service import RPCError, RPCStatusCode

from tests.support.scene import PATIENCE, Scene


async def lose_the_child(scene: Scene) -> None:
    """As if the namespace were gone: Temporal knows nothing of it any more."""
    child = await scene.child()
    await scene.client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace=scene.client.namespace, workflow_execution=WorkflowExecution(workflow_id=child.id)
        )
    )
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await child.describe()
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                return
            await asyncio.sleep(0.05)  # the server tells nobody
