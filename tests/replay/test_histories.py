"""The code follows every history that was ever committed, step by step."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.opentelemetry import TracingInterceptor
from temporalio.worker import Replayer

from temporal.client import DATA_CONVERTER
from temporal.runners import UNSANDBOXED
from tests.replay.record import HISTORIES
from tests.replay.reordered import ReorderedSendNotificationWorkflow
from tests.replay.replaying import replay
from tests.replay.shapes.every import SHAPES
from workflows.registry import WORKFLOW_TYPES

FILES = sorted(HISTORIES.glob("*/*.json"))


def read(file: Path) -> WorkflowHistory:
    content = json.loads(file.read_text(encoding="utf-8"))
    return WorkflowHistory.from_json(content["workflowId"], content)


def test_there_are_histories_of_every_workflow_in_every_shape() -> None:
    recorded = {file.stem for file in FILES}
    for name in SHAPES:
        assert any(re.fullmatch(rf"{name}(-run-\d+)?", stem) for stem in recorded), f"make histories: {name}"
    replayed = {read(file).events[0].workflow_execution_started_event_attributes.workflow_type.name for file in FILES}
    assert replayed == {workflow._Definition.must_from_class(each).name for each in WORKFLOW_TYPES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
async def test_replays(file: Path) -> None:
    await replay(read(file))


NEWEST = {read(file).events[0].workflow_execution_started_event_attributes.workflow_type.name: file for file in FILES}


@pytest.mark.parametrize("workflow_type", sorted(NEWEST))
async def test_replays_while_it_is_traced(workflow_type: str) -> None:
    """Tracing adds headers, and no step."""
    replayer = Replayer(
        workflows=WORKFLOW_TYPES,
        workflow_runner=UNSANDBOXED,
        data_converter=DATA_CONVERTER,
        interceptors=[TracingInterceptor(always_create_workflow_spans=True)],
    )
    await replayer.replay_workflow(read(NEWEST[workflow_type]))


async def test_a_change_in_the_order_of_the_calls_is_noticed() -> None:
    both_accepted = next(file for file in FILES if file.stem == "send-both-accepted")
    replayer = Replayer(workflows=[ReorderedSendNotificationWorkflow])
    with pytest.raises(workflow.NondeterminismError):
        await replayer.replay_workflow(read(both_accepted))


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_history_holds_nobodys_data(file: Path) -> None:
    """Neither recipients, names and texts nor secrets and paths, in the clear or in a payload."""
    content = json.loads(file.read_text(encoding="utf-8"))
    for value in _strings(content):
        assert not re.search(r"@(?!\d)[\w-]+\.\w+", value), value
        assert not re.search(r"\d{8,}:[\w-]{30,}", value), "a bot token"
        assert not re.search(r"Company \d|Project \d|owner\d", value), value
        assert not re.search(r'"/(?:home|root|Users|tmp)/', value), value


def _strings(node: object) -> Iterator[str]:
    """Every string in the document, and what is in base64 as what it stands for."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "data" and isinstance(value, str):
                yield base64.b64decode(value).decode("utf-8", "replace")
            else:
                yield from _strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from _strings(value)
    elif isinstance(node, str):
        yield node
