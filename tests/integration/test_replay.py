"""`cli.py replay`: workflows of the live namespace, and the code of this checkout and of a changed one."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from contracts.queues import WORKFLOWS, task_queue
from contracts.stopping import ResumeChannelInput
from temporal.replay import has_taken_a_step
from temporal.start import start_held_now
from tests.support.changed_checkout import Changes, changed_checkout
from tests.support.release import TODAY
from tests.support.scene import PATIENCE, Scene
from workflows.resume_channel import ResumeChannelWorkflow

RESUMING = "resume-expiry-telegram"
CARELESS: Changes = {
    "workflows/send_notification.py": [("for each in input.to_send()}", "for each in reversed(input.to_send())}")],
    "workflows/resume_channel.py": [('"a-stop-wakes"', '"another-patch"')],
    "workflows/registry.py": [("    StartHeldWorkflow,\n", "")],
}


async def in_flight(scene: Scene) -> None:
    """A scan that has ended, its child, which nobody sends yet, a stopped channel, and one that no worker took."""
    await scene.due_project()
    async with scene.worker("workflows"):
        await scene.scan()
        resuming = await scene.client.start_workflow(
            ResumeChannelWorkflow.run,
            ResumeChannelInput("telegram", datetime.now(UTC) + timedelta(hours=1)),
            id=RESUMING,
            task_queue=task_queue(scene.settings.task_queue_prefix, WORKFLOWS),
            start_signal="stopped",
        )
        for handle in (await scene.child(), resuming):
            await steps_begin(handle)
    await start_held_now(scene.client, scene.settings)


async def steps_begin(handle: WorkflowHandle[Any, Any]) -> None:
    """Waits until the workflow has taken its first step."""
    async with asyncio.timeout(PATIENCE):
        while not has_taken_a_step(await handle.fetch_history()):
            await asyncio.sleep(0.05)  # the server tells nobody


async def run_of(scene: Scene, workflow_id: str) -> str:
    return str((await scene.client.get_workflow_handle(workflow_id).describe()).run_id)


async def test_what_runs_is_replayed_with_this_code_and_with_a_careless_change(scene: Scene, tmp_path: Path) -> None:
    await in_flight(scene)
    child = await scene.child()
    resuming_run, child_run = await run_of(scene, RESUMING), await run_of(scene, child.id)

    well = await TODAY.cli(scene, "replay")
    assert (well.status, well.err) == (0, "")
    assert well.out == (
        "Workflows replayed: 3, of them running: 2. This checkout follows all of them.\n"
        "Left out, since they have not taken a step yet: 1.\n"
    )

    careless = changed_checkout(tmp_path, CARELESS)
    refused = await careless.cli(scene, "replay")
    assert refused.status == 1
    assert refused.err == (
        "Running workflows that have passed the patch a-stop-wakes, which this checkout does not know: 1. With this "
        "checkout they wait (TMPRL1100) until a build that knows the patch serves them again.\n"
        "Running workflows of the type StartHeldWorkflow, which this checkout lacks: 1.\n"
    )
    assert sorted(refused.out.splitlines()) == [
        (
            f"ResumeChannelWorkflow {RESUMING}, run {resuming_run} (running): event 6 passes the patch a-stop-wakes, "
            "where this checkout does not know that patch."
        ),
        (
            f"SendNotificationWorkflow {child.id}, run {child_run} (running): event 5 schedules the activity "
            "send_email, where this checkout schedules the activity send_telegram."
        ),
        "Workflows replayed: 3, of them running: 2. Cannot go on with this checkout: 2. Do not deploy it.",
    ]

    one = await careless.cli(scene, "replay", "--query", f"WorkflowId = '{child.id}'", "--json", "--verbose")
    document = json.loads(one.out)
    [difference] = document.pop("differences")
    assert (one.status, one.err) == (1, "")
    assert document == {
        "matched": 1,
        "replayed": 1,
        "running": 1,
        "without_a_step": 0,
        "not_replayed": 0,
        "unknown_patches": {},
        "unknown_types": {},
    }
    assert "TMPRL1100" in difference.pop("raw")
    assert difference == {
        "workflow_id": child.id,
        "run_id": child_run,
        "workflow_type": "SendNotificationWorkflow",
        "running": True,
        "event_id": 5,
        "history": "schedules the activity send_email",
        "code": "schedules the activity send_telegram",
    }


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        ((), 0, "No workflow matches. Are TEMPORAL_NAMESPACE and TASK_QUEUE_PREFIX right?"),
        (("--query", "Nonsense = 1"), 2, "cli: --query: "),
    ],
)
async def test_nothing_matches_or_the_query_is_wrong(
    scene: Scene, arguments: tuple[str, ...], status: int, told: str
) -> None:
    ended = await TODAY.cli(scene, "replay", *arguments)
    assert ended.status == status
    assert told in (ended.err if status else ended.out)
