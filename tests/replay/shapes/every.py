"""Every shape that a workflow takes, played on real servers with made-up data: what the histories are recorded from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from temporalio.client import WorkflowHistory

from tests.replay.shapes.ends import SHAPES as DEACTIVATIONS
from tests.replay.shapes.health import SHAPES as HEALTH_CHECKS
from tests.replay.shapes.retention import SHAPES as RETENTIONS
from tests.replay.shapes.scans import HELD_SHAPES as HELD
from tests.replay.shapes.scans import SHAPES as SCANS
from tests.replay.shapes.sends import SHAPES as SENDS
from tests.replay.shapes.stops import SHAPES as STOPS
from tests.replay.shapes.summary import SHAPES as SUMMARIES
from tests.support.scene import Scene

Shape = Callable[[Scene], Awaitable[list[WorkflowHistory]]]

SHAPES: dict[str, Shape] = {
    f"{kind}-{shape.__name__.replace('_', '-')}": shape
    for kind, shapes in (
        ("send", SENDS),
        ("scan", SCANS),
        ("held", HELD),
        ("deactivate", DEACTIVATIONS),
        ("health", HEALTH_CHECKS),
        ("resume", STOPS),
        ("summary", SUMMARIES),
        ("retention", RETENTIONS),
    )
    for shape in shapes
}
