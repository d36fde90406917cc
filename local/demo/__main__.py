"""Starts everything on this machine, scans once and shows the result: `python -m local.demo [--once] [--data DIR]`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console

from local.demo.environment import own_folder
from local.demo.run import Demo, DemoFailedError
from local.embedded.process import EmbeddedServerError
from local.programs import ProgramError
from runtime import leaving, signals

console = Console(soft_wrap=True) if sys.stdout.isatty() else Console(soft_wrap=True, width=140)


async def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="compare the result with DIR/expected.csv, then exit")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("examples"),
        metavar="DIR",
        help="folder of the CSV files",
    )
    options = parser.parse_args()
    stop = signals.stop_on_signals()
    if not options.data.is_dir():
        console.print(f"demo: --data: there is no folder {options.data}", style="red", markup=False)
        return 2
    async with AsyncExitStack() as stack:
        running = asyncio.create_task(_demo(stack, options.data.resolve(), options.once, stop))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not running.done():
            running.cancel()
            console.print("Stopping the demo ...", style="dim")
        try:
            status, last_line = await running
        except asyncio.CancelledError:
            status, last_line = 130, "demo: stopped"
        except (DemoFailedError, EmbeddedServerError, ProgramError) as error:
            status, last_line = 1, f"demo: failed: {error}"
    console.print(last_line, style="red" if status else "green", markup=False, highlight=False)
    return status


async def _demo(stack: AsyncExitStack, data: Path, once: bool, stop: asyncio.Event) -> tuple[int, str]:
    own_folder()
    demo = Demo(console, data)
    await demo.start(stack)
    new = await demo.run()
    differences, line = await demo.report(new)
    demo.show_links()
    if not once:
        await demo.stay_up(stop)
        return 0, "demo: stopped"
    if differences:
        for difference in differences:
            console.print(difference, style="red", markup=False)
        return 1, f"demo: {len(differences)} rows differ {line}"
    return 0, f"demo: ok {line}"


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    leaving.run(main)
