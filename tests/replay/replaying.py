"""Replaying histories with production's workflows and converter, in the sandbox."""

from __future__ import annotations

from itertools import groupby

from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer

from temporal.client import DATA_CONVERTER
from temporal.runners import SANDBOXED
from workflows.registry import WORKFLOW_TYPES

AT_MOST = 100
"""Histories of one workflow type that are replayed of one test; a scan over thousands makes thousands alike."""


def production_replayer() -> Replayer:
    return Replayer(workflows=WORKFLOW_TYPES, workflow_runner=SANDBOXED, data_converter=DATA_CONVERTER)


async def replay(history: WorkflowHistory) -> None:
    """Raises if the code no longer takes the steps of the history."""
    await production_replayer().replay_workflow(history)


async def replay_namespace(client: Client) -> None:
    """Replays what ran in the client's namespace. Raises at the first history that the code does not follow."""
    executions = [execution async for execution in client.list_workflows()]
    executions.sort(key=lambda execution: execution.workflow_type)
    for _, alike in groupby(executions, key=lambda execution: execution.workflow_type):
        for execution in list(alike)[:AT_MOST]:
            handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
            history = await handle.fetch_history()
            if any(event.HasField("workflow_task_completed_event_attributes") for event in history.events):
                await replay(history)  # the replayer waits for ever for a run that has not taken a step
