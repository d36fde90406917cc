"""What differs between a history and the code is said in words, not in the SDK's debug form."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from temporal.nondeterminism import what_happened, what_the_code_does
from temporal.replay import known_patches, workflow_type_names
from tests.support.product import python_files
from workflows.registry import WORKFLOW_TYPES

DUMP = (
    'Workflow activation completion failed: Failure {{ failure: Some(Failure {{ message: "{message}", source: "", '
    'stack_trace: "", encoded_attributes: None, cause: None, failure_info: Some(ApplicationFailureInfo('
    'ApplicationFailureInfo {{ r#type: "{type}", non_retryable: false, details: None }})) }}), '
    "force_cause: NonDeterministicError }}"
)
DIFFERS = "[TMPRL1100] Nondeterminism error: "


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            "Activity type of scheduled event 'a' does not match activity type of activity command 'b'",
            "schedules the activity b",
        ),
        (
            "Activity type of recorded marker 'a' does not match activity type of local activity command 'b'",
            "runs the local activity b",
        ),
        ("Timer machine does not handle this event: HistoryEvent(id: 5, ActivityTaskScheduled)", "starts a timer"),
        (
            "Complete workflow machine does not handle this event: HistoryEvent(id: 18, TimerStarted)",
            "completes the workflow",
        ),
        (
            "UpsertWorkflowSearchAttributesMachine does not handle HistoryEvent(id: 18, TimerStarted)",
            "sets search attributes",
        ),
        ("No command scheduled for event HistoryEvent(id: 6, ActivityTaskScheduled)", "does nothing"),
        (
            "Child workflow type of scheduled event 'a' does not match child workflow type of command 'b'",
            "has the child workflow type b",
        ),
        (
            "Non-deprecated patch marker encountered for change new, but there is no corresponding change command!",
            "does not know that patch",
        ),
        (
            "What nobody foresaw about HistoryEvent(id: 3, WorkflowTaskStarted)",
            "does not follow: What nobody foresaw about event 3 (WorkflowTaskStarted)",
        ),
    ],
)
def test_what_the_code_does_instead(message: str, words: str) -> None:
    assert what_the_code_does(DUMP.format(message=DIFFERS + message, type="")) == words


def test_what_the_code_raises() -> None:
    raised = DUMP.format(message=r"no \"x\"\n in the input", type="KeyError")
    assert what_the_code_does(f"4: {raised}") == 'raises KeyError: no "x" in the input'


def test_a_type_that_the_code_lacks() -> None:
    message = "Workflow class OldWorkflow is not registered on this worker, available workflows: NewWorkflow"
    assert what_the_code_does(DUMP.format(message=message, type="NotFoundError")) == "has no workflow type OldWorkflow"


def test_an_unforeseen_event_has_its_own_name() -> None:
    assert (
        what_happened(HistoryEvent(event_type=EventType.EVENT_TYPE_NEXUS_OPERATION_STARTED))
        == "is NexusOperationStarted"
    )


def test_the_workflow_types_are_named_as_temporal_names_them() -> None:
    assert workflow_type_names() == [workflow._Definition.must_from_class(each).name for each in WORKFLOW_TYPES]


def test_every_patch_is_named_where_it_is_passed() -> None:
    """A name that is computed would be unknown to a replay."""
    calls = [
        node
        for file in python_files("workflows")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"patched", "deprecate_patch"}
    ]
    assert {ast.unparse(call.args[0]) for call in calls} == {repr(patch) for patch in known_patches()}


def test_a_patch_that_is_on_its_way_out_is_known(tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text('workflow.deprecate_patch("old")\nif workflow.patched("new"):\n    pass\n')
    assert known_patches(tmp_path) == {"old", "new"}
