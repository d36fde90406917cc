"""Says in words where a history and this checkout's workflow code part.

Temporal's SDK says it in the debug form of its core. Each history's event tells what was done; the core's message tells
what the code does instead.
"""

from __future__ import annotations

import json
import re
from textwrap import shorten

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

LONGEST = 300
"""Characters of what the SDK says."""

_DONE = {
    EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED: "ends a workflow task",
    EventType.EVENT_TYPE_TIMER_STARTED: "starts a timer",
    EventType.EVENT_TYPE_TIMER_CANCELED: "cancels a timer",
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED: "cancels an activity",
    EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED: "signals another workflow",
    EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED: "cancels another workflow",
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: "sets search attributes",
    EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED: "changes the memo",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: "completes the workflow",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: "fails the workflow",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: "ends the workflow as cancelled",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: "continues the workflow as new",
}
_PATCH = "core_patch"
_LOCAL_ACTIVITY = "core_local_activity"

_MACHINES = {
    "Activity": "schedules an activity",
    "Local activity": "runs a local activity",
    "LocalActivity": "runs a local activity",
    "Timer": "starts a timer",
    "Child workflow": "starts a child workflow",
    "Complete workflow": "completes the workflow",
    "Fail workflow": "fails the workflow",
    "Cancel workflow": "ends the workflow as cancelled",
    "Continue as new workflow": "continues the workflow as new",
    "Signal external WF": "signals another workflow",
    "Cancel external WF": "cancels another workflow",
    "Patch": "passes a patch",
    "UpsertWorkflowSearchAttributes": "sets search attributes",
    "ModifyWorkflowProperties": "changes the memo",
}
"""By what the core calls a command's state machine: what the code does by that command."""

_MESSAGE = re.compile(r'message: "((?:[^"\\]|\\.)*)", source')
_RAISED = re.compile(r'r#type: "((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_PREFIX = re.compile(r"^(?:\[TMPRL\d+\] )?(?:Nondeterminism error: )?")
_OTHER_MACHINE = re.compile(r" ?[Mm]achine does not handle")
_OTHER_ACTIVITY = re.compile(r"does not match activity type of (local activity|activity) command '(.*)'")
_OTHER_NAME = re.compile(r"does not match ([\w ]+) of (?:[\w ]+ )?command '(.*)'")
_NO_COMMAND = re.compile(r"No command scheduled for event")
_UNKNOWN_PATCH = re.compile(r"patch marker encountered for change .+, but there is no")
_UNKNOWN_TYPE = re.compile(r"Workflow class (\S+) is not registered")
_EVENT = re.compile(r"HistoryEvent\(id: (\d+), (\w+)\)")


def what_happened(event: HistoryEvent) -> str:
    """Returns what the workflow did at this event, as a verb with its object."""
    match event.event_type:
        case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            return f"schedules the activity {event.activity_task_scheduled_event_attributes.activity_type.name}"
        case EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
            child = event.start_child_workflow_execution_initiated_event_attributes
            return f"starts the child workflow {child.workflow_type.name}"
        case EventType.EVENT_TYPE_MARKER_RECORDED:
            return _marked(event)
        case other:
            return _DONE.get(other) or f"is {_camel(other)}"


def what_the_code_does(raw: str) -> str:
    """Returns what this checkout does instead, from the text of the SDK's error, as a verb with its object."""
    message, raised = _MESSAGE.search(raw), _RAISED.search(raw)
    said = _unescape(message[1]) if message else raw
    if _UNKNOWN_PATCH.search(said):
        return "does not know that patch"
    if found := _UNKNOWN_TYPE.search(said):
        return f"has no workflow type {found[1]}"
    if raised and raised[1]:
        return _one_line(f"raises {_unescape(raised[1])}: {said}")
    said = _PREFIX.sub("", said)
    if _NO_COMMAND.match(said):
        return "does nothing"
    if found := _OTHER_ACTIVITY.search(said):
        verb = "schedules the" if found[1] == "activity" else "runs the local"
        return f"{verb} activity {found[2]}"
    if found := _OTHER_NAME.search(said):
        return _one_line(f"has the {found[1]} {found[2]}")
    if (found := _OTHER_MACHINE.search(said)) and (machine := said[: found.start()]) in _MACHINES:
        return _MACHINES[machine]
    return _one_line(f"does not follow: {_EVENT.sub(lambda event: f'event {event[1]} ({event[2]})', said)}")


def _marked(event: HistoryEvent) -> str:
    marker = event.marker_recorded_event_attributes
    if marker.marker_name == _PATCH:
        return f"passes the patch {_marker(event, 'patch-data').get('id')}"
    if marker.marker_name == _LOCAL_ACTIVITY:
        return f"runs the local activity {_marker(event, 'data').get('activity_type')}"
    return f"records the marker {marker.marker_name}"


def _marker(event: HistoryEvent, name: str) -> dict[str, object]:
    payloads = event.marker_recorded_event_attributes.details[name].payloads
    data = json.loads(payloads[0].data) if payloads else None
    return data if isinstance(data, dict) else {}


def _camel(event_type: int) -> str:
    name = EventType.Name(event_type).removeprefix("EVENT_TYPE_")  # type: ignore[arg-type] # an int is one
    return "".join(word.capitalize() for word in name.split("_"))


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda found: " " if found[1] in "nrt" else found[1], text)


def _one_line(text: str) -> str:
    return shorten(" ".join(text.split()), LONGEST, placeholder=" ...")
