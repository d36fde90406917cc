"""The floor's activities, which do nothing, and what its workflows share."""

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
    """`children` are to be started; `prefix` begins their workflow ids."""

    prefix: str
    children: int


@activity.defn
async def first_no_op(child: int) -> None:
    """Does nothing."""


@activity.defn
async def second_no_op(child: int) -> None:
    """Does nothing."""
