"""Every shape that a workflow takes, played on real servers with made-up data: what the histories are recorded from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from temporalio.client import WorkflowHistory

from tests.replay.shapes import ends, health, scans, sends
from tests.replay.shapes.scene import Scene

Shape = Callable[[Scene], Awaitable[list[WorkflowHistory]]]

SHAPES: dict[str, Shape] = {
    f"{kind}-{shape.__name__.replace('_', '-')}": shape
    for kind, shapes in (
        ("send", sends.SHAPES),
        ("scan", scans.SHAPES),
        ("held", scans.HELD_SHAPES),
        ("deactivate", ends.SHAPES),
        ("health", health.SHAPES),
    )
    for shape in shapes
}
