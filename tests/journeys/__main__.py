"""`python -m tests.journeys`: the files whose functions run in each journey, to compare before and after a change.

Each journey runs in a process of its own, with its own servers: what one has cached or imported does not hide a file of
the next.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.journeys.tracing import APART, ROOT, kind

STORIES = Path(__file__).with_name("stories.py")
JOURNEYS = {
    "test_due_project": "A due project to the flat record by e-mail",
    "test_posted_test": "POST /notifications/test to a started workflow",
    "test_health_problem": "A health problem to its alert's workflow",
    "test_health_problem_delivered": "A health problem to its alert delivered",
    "test_bounce": "A bounce",
    "test_renewal": "A renewal",
}


@dataclass(frozen=True)
class Journey:
    name: str
    files: list[str]

    @property
    def counted(self) -> list[str]:
        return [file for file in self.files if kind(file) is None]

    def apart(self, name: str) -> list[str]:
        return [file for file in self.files if kind(file) == name]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.journeys", description=__doc__)
    parser.add_argument("--markdown", action="store_true", help="print tables with a place for each file's reason")
    options = parser.parse_args()
    journeys = [Journey(name, _traced(story)) for story, name in JOURNEYS.items()]
    sys.stdout.write(_as_markdown(journeys) if options.markdown else _as_text(journeys))
    return 0


def _traced(story: str) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="journeys-") as folder:
        trace = Path(folder) / "trace.json"
        command = [sys.executable, "-m", "tests", "-q", f"{STORIES}::{story}", f"--trace-to={trace}"]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - ours
        if ended.returncode != 0:
            sys.exit(f"{story} did not reach its end:\n{ended.stdout}{ended.stderr}")
        files: list[str] = json.loads(trace.read_text(encoding="utf-8"))
    return files


def _as_text(journeys: list[Journey]) -> str:
    lines: list[str] = []
    for journey in journeys:
        lines += [f"{journey.name}: {len(journey.counted)} files", *(f"  {file}" for file in journey.counted)]
        for name in APART:
            lines += [f"  apart, {name}: {file}" for file in journey.apart(name)]
        lines.append("")
    return "\n".join(lines)


def _as_markdown(journeys: list[Journey]) -> str:
    lines = ["| Journey | Files |", "| --- | --- |"]
    lines += [f"| {journey.name} | {len(journey.counted)} |" for journey in journeys]
    for journey in journeys:
        lines += ["", f"## {journey.name}: {len(journey.counted)} files", "", "| File | Why |", "| --- | --- |"]
        lines += [f"| `{file}` | |" for file in journey.counted]
        apart = [f"{name}: {', '.join(f'`{file}`' for file in journey.apart(name))}" for name in APART]
        lines += ["", f"Apart: {'; '.join(each for each in apart if not each.endswith(': '))}."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
