"""Turns the rounds into one set of numbers, as a table and as JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from rich.table import Table

from bench.measure import Measured


@dataclass(frozen=True)
class Round:
    """The floor and the job, measured directly after each other."""

    floor: Measured
    job: Measured

    @property
    def ratio(self) -> float:
        return self.job.per_second / self.floor.per_second


def summary(rounds: Sequence[Round]) -> dict[str, Any]:
    """The medians over the rounds. The ratio is the median of the rounds' ratios, because a machine's speed changes
    by the minute and the two runs of a round share it."""
    floors, jobs = [each.floor for each in rounds], [each.job for each in rounds]
    return {
        "notices": jobs[0].children,
        "rounds": len(rounds),
        "notices_per_s": _median(jobs, lambda run: run.per_second),
        "floor_per_s": _median(floors, lambda run: run.per_second),
        "ratio": round(median(each.ratio for each in rounds), 3),
        "ratios": [round(each.ratio, 3) for each in rounds],
        **_work(jobs),
        "commits_per_notice": _median(jobs, lambda run: run.commits or 0.0),
        "bytes_per_notice": {part: _median(jobs, _bytes_in(part)) for part in jobs[0].stored or ()},
        "floor": _work(floors),
        "machine": {
            "processors": os.cpu_count(),
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "load_average": round(os.getloadavg()[0], 1),
        },
    }


def _cpu_ms_of(component: str) -> Callable[[Measured], float]:
    return lambda run: 1000 * run.cpu[component] / run.children


def _bytes_in(part: str) -> Callable[[Measured], float]:
    return lambda run: (run.stored or {}).get(part, 0.0)


def _work(runs: Sequence[Measured]) -> dict[str, Any]:
    return {
        "events_per_notice": _median(runs, lambda run: run.events / run.children),
        "transitions_per_notice": _median(runs, lambda run: run.transitions / run.children),
        "cpu_ms_per_notice": {component: _median(runs, _cpu_ms_of(component)) for component in runs[0].cpu},
    }


def _median(runs: Sequence[Measured], value: Callable[[Measured], float]) -> float:
    return round(median(value(run) for run in runs), 2)


def table(result: dict[str, Any]) -> Table:
    """The summary as a table: the job beside the floor."""
    floor = result["floor"]
    shown = Table(title=f"{result['notices']} notifications, {result['rounds']} rounds, medians")
    for heading in ("", "job", "floor"):
        shown.add_column(heading, justify="right" if heading else "left")
    shown.add_row("notifications per second", f"{result['notices_per_s']:.1f}", f"{result['floor_per_s']:.1f}")
    ratios = ", ".join(f"{ratio:.2f}" for ratio in result["ratios"])
    shown.add_row("ratio to the floor", f"{result['ratio']:.2f}", f"({ratios})", end_section=True)
    for name, key in (("history events", "events_per_notice"), ("state transitions", "transitions_per_notice")):
        shown.add_row(f"{name} per notification", f"{result[key]:.2f}", f"{floor[key]:.2f}")
    shown.add_row("database commits per notification", f"{result['commits_per_notice']:.2f}", "", end_section=True)
    for part, size in result["bytes_per_notice"].items():
        shown.add_row(f"bytes per notification: {part}", f"{size:.0f}", "")
    shown.add_section()
    for component, milliseconds in result["cpu_ms_per_notice"].items():
        of_floor = floor["cpu_ms_per_notice"].get(component)
        shown.add_row(
            f"CPU ms per notification: {component}",
            f"{milliseconds:.2f}",
            "" if of_floor is None else f"{of_floor:.2f}",
        )
    return shown
