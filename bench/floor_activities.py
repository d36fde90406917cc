"""The floor's activities, which do nothing, and the constants and input of its workflows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity

WORKFLOWS = "floor-workflows"
FIRST = "floor-first"
SECOND = "floor-second"
BATCH = 500
TIMEOUT = timedelta(minutes=1)


@dataclass(frozen=True)
class FloorInput:
    """How many children to start. Their workflow ids start with `prefix`."""

    prefix: str
    children: int


@activity.defn
async def first_no_op(child: int) -> None:
    """Does nothing."""


@activity.defn
async def second_no_op(child: int) -> None:
    """Does nothing."""
