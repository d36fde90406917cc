"""`python cli.py` as a process, and what an operator does by it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.calling_api import NOBODY_LISTENS
from tests.support.scene import Scene
from tests.support.worker_process import environment as environment_of

ROOT = Path(__file__).parents[2]
KEPT = ("PATH", "HOME", "XDG_CACHE_HOME", "TMPDIR")
"""Besides these a command sees only what a test gives it, and never a Temporal that happens to run on the machine."""
WHY = ("--why", "they rang", "--by", "anna")
CLI = ("cli.py",)


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout, which has to be one JSON document and nothing else."""
        return json.loads(self.out)


async def start(
    *arguments: str, environment: dict[str, str] | None = None, program: Sequence[str] = CLI
) -> asyncio.subprocess.Process:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *program,
        *arguments,
        cwd=ROOT,
        env=kept | {"TEMPORAL_ADDRESS": NOBODY_LISTENS} | (environment or {}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def cli(*arguments: str, environment: dict[str, str] | None = None, program: Sequence[str] = CLI) -> Ended:
    process = await start(*arguments, environment=environment, program=program)
    async with asyncio.timeout(120):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def operate(scene: Scene, *arguments: str, program: Sequence[str] = CLI, **more: str) -> Ended:
    """`more` is what the command's environment has besides the scene's settings."""
    environment = environment_of(scene.client, scene.settings) | more
    return await cli(*arguments, "--json", environment=environment, program=program)


async def delivery_id(scene: Scene, channel: str) -> str:
    return str((await scene.delivery(channel)).id)
