"""Measures both programs in the same way: time and work from Temporal's record, and processor time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import psutil
from temporalio.client import Client, WorkflowExecutionStatus

POLL_SECONDS = 0.25
"""A count this often costs almost nothing. The time comes from the server's record, not from the poll."""


class BenchError(Exception):
    """The benchmark has no result. The message says why."""


@dataclass(frozen=True)
class Measured:
    """One program's run over `children` notifications. `cpu` is seconds of processor time by component."""

    children: int
    seconds: float
    """From the parent's start to the last child's end."""
    events: int
    """Of all workflow runs, including the parents'."""
    transitions: int
    cpu: Mapping[str, float]
    commits: float | None = None
    """PostgreSQL transactions per notification."""
    stored: Mapping[str, float] | None = None
    """Bytes per notification in PostgreSQL: of each table and of its indexes."""

    @property
    def per_second(self) -> float:
        return self.children / self.seconds


def now() -> datetime:
    return datetime.now(UTC)


def longest(children: int) -> float:
    """Seconds until a run is given up."""
    return 60.0 + 1.0 * children


async def wait_for_children(client: Client, workflow_type: str, since: datetime, count: int) -> None:
    """Waits until `count` children that started after `since` have completed and no workflow is running.

    Raises `BenchError` if that takes too long.
    """
    deadline = time.monotonic() + longest(count)
    started = f"StartTime >= '{since.isoformat()}'"
    for query, wanted in (
        (f"{started} AND WorkflowType = '{workflow_type}' AND ExecutionStatus = 'Completed'", count),
        (f"{started} AND ExecutionStatus = 'Running'", 0),
    ):
        while (found := (await client.count_workflows(query)).count) != wanted:
            if time.monotonic() > deadline:
                raise BenchError(f"{found} instead of {wanted} after {longest(count):.0f} s: {query}")
            await asyncio.sleep(POLL_SECONDS)


@dataclass(frozen=True)
class Runs:
    """All workflow runs of a measured run, in total."""

    seconds: float
    events: int
    transitions: int


async def runs_since(client: Client, since: datetime) -> Runs:
    """Add up the runs that started after `since`. Raises `BenchError` if one failed or is still running."""
    starts: list[datetime] = []
    ends: list[datetime] = []
    events = transitions = 0
    good = (WorkflowExecutionStatus.COMPLETED, WorkflowExecutionStatus.CONTINUED_AS_NEW)
    async for run in client.list_workflows(f"StartTime >= '{since.isoformat()}'"):
        if run.status not in good or run.close_time is None:
            raise BenchError(f"{run.workflow_type} {run.id} is {run.status.name if run.status else 'unknown'}")
        starts.append(run.start_time)
        ends.append(run.close_time)
        events += run.history_length
        transitions += run.raw_info.state_transition_count
    return Runs((max(ends) - min(starts)).total_seconds(), events, transitions)


def cpu_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """Processor time so far of each process and its descendants, including those that have ended."""
    return {name: sum(_cpu_of(process) for process in _family(pid)) for name, pid in pids.items()}


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def _cpu_of(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        # It ended after it was listed. Its time is then in its parent's `children_*`.
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """The processor time between two measurements, by component."""
    return {name: after[name] - before[name] for name in before}
