"""Measures a whole scan against the floor, the fastest that Temporal itself allows: `python -m bench`.

It prints a table and writes `bench/results.json`. Exit status 0 for success, 1 if a notification was lost or sent
twice, a server failed or a run took too long, 2 for a wrong argument, 130 after a signal.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console

from bench.floor import measure_floor
from bench.job import measure_job, prepare
from bench.measure import BenchError, Measured
from bench.report import Round, summary, table
from local.embedded.postgres import EmbeddedPostgres
from local.embedded.process import EmbeddedServerError
from local.embedded.temporal import EmbeddedTemporal
from local.programs import ProgramError
from runtime import leaving, signals
from settings import Settings

RESULTS = Path(__file__).with_name("results.json")
WARM_UP = 100
"""Notifications before each measured run, by the same processes, so that it times no imports and connections."""

out = Console(highlight=False)


async def measure(folder: Path, notices: int, rounds: int) -> list[Round]:
    """Runs floor and job in turn on the same servers. Each has its own namespace, database and processes."""
    namespaces = [f"bench-{number}-{kind}" for number in range(rounds) for kind in ("floor", "job")]
    warm_up = min(WARM_UP, notices)
    async with AsyncExitStack() as servers:
        # PostgreSQL's own defaults: a commit is on disk when it returns, as in production.
        postgres = await servers.enter_async_context(EmbeddedPostgres(folder / "postgres"))
        temporal = await servers.enter_async_context(
            EmbeddedTemporal(folder / "temporal.log", extra_namespaces=namespaces, progress=out.print)
        )
        await prepare(postgres)

        async def floor(number: int) -> Measured:
            name = f"bench-{number}-floor"
            return await measure_floor(temporal, name, _make(folder / name), warm_up, notices)

        async def job(number: int) -> Measured:
            name = f"bench-{number}-job"
            return await measure_job(postgres, temporal, name, _make(folder / name), warm_up, notices)

        measured = []
        for number in range(rounds):
            # The second run finds more data on the server, so floor and job take turns at being second.
            if number % 2 == 0:
                first_floor = await floor(number)
                measured.append(Round(first_floor, await job(number)))
            else:
                first_job = await job(number)
                measured.append(Round(await floor(number), first_job))
            out.print(f"Round {number + 1} of {rounds}: {_shown(measured[-1])}")
        return measured


def _make(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _shown(one: Round) -> str:
    return f"floor {one.floor.per_second:.1f}/s, job {one.job.per_second:.1f}/s, ratio {one.ratio:.2f}"


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="A whole scan against Temporal's floor.")
    parser.add_argument("--notices", type=_positive, default=1000, help="notifications per run (default: 1000)")
    parser.add_argument("--rounds", type=_positive, default=2, help="runs of each program (default: 2)")
    return parser.parse_args(arguments)


def _positive(value: str) -> int:
    if not value.isascii() or not value.isdigit() or int(value) < 1:
        raise argparse.ArgumentTypeError(f"{value!r} is not a whole number above 0")
    return int(value)


def _forget_environment() -> None:
    """Removes variables that would change what is measured. Without bytecode files the sandbox would compile the
    workflows again for every notification."""
    unwanted = {name.upper() for name in Settings.model_fields} | {"PYTHONDONTWRITEBYTECODE"}
    for name in [name for name in os.environ if name in unwanted or name.startswith("TEMPORAL_")]:
        del os.environ[name]


async def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    _forget_environment()
    stop = asyncio.create_task(signals.stop_on_signals().wait())
    with tempfile.TemporaryDirectory(prefix="expiry-bench-", ignore_cleanup_errors=True) as folder:
        work = asyncio.create_task(measure(Path(folder), options.notices, options.rounds))
        await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.cancel()
            await asyncio.wait({work})
            return 130
        try:
            rounds = work.result()
        except (BenchError, EmbeddedServerError, ProgramError) as error:
            sys.stderr.write(f"bench: {error}\n")
            return 1
    result = summary(rounds)
    out.print(table(result))
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    leaving.run(main)
