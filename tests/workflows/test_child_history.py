"""What one delivered notification costs: every event is stored, and most of Temporal's load is state transitions."""

from __future__ import annotations

from collections import Counter

from temporalio.api.enums.v1 import EventType

from tests.support.scene import Scene

EVENTS = 16
EVENTS_OF_A_WORKFLOW_TASK = 3
"""One task more when the channels do not end at the same moment."""
MOST_TRANSITIONS = 12


async def test_a_delivered_notification_costs_few_events_and_transitions(scene: Scene) -> None:
    await scene.due_project()
    await scene.scan_and_send()

    kinds = [EventType.Name(event.event_type) for event in (await scene.history()).events]
    counts = Counter(kind.removeprefix("EVENT_TYPE_") for kind in kinds)
    assert len(kinds) in (EVENTS, EVENTS + EVENTS_OF_A_WORKFLOW_TASK), counts
    assert counts["ACTIVITY_TASK_SCHEDULED"] == counts["ACTIVITY_TASK_COMPLETED"] == 2  # the two sends
    assert counts["MARKER_RECORDED"] == 1  # the record, local
    assert counts["TIMER_STARTED"] == counts["ACTIVITY_TASK_FAILED"] == 0
    description = await (await scene.child()).describe()
    assert description.history_length == len(kinds)
    info = description.raw_description.workflow_execution_info
    assert info.state_transition_count <= MOST_TRANSITIONS


async def test_the_steps_of_a_delivered_notification(scene: Scene) -> None:
    await scene.due_project()
    await scene.scan_and_send()

    kinds = [EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in (await scene.history()).events]
    steps = [kind for kind in kinds if not kind.startswith("WORKFLOW_TASK")]
    assert steps[:3] == ["WORKFLOW_EXECUTION_STARTED", "ACTIVITY_TASK_SCHEDULED", "ACTIVITY_TASK_SCHEDULED"]
    assert sorted(steps[3:7]) == ["ACTIVITY_TASK_COMPLETED"] * 2 + ["ACTIVITY_TASK_STARTED"] * 2
    assert steps[7:] == [
        "MARKER_RECORDED",
        "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
        "WORKFLOW_EXECUTION_COMPLETED",
    ]
