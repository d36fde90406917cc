"""`python -m api` as a process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.calling_api import NOBODY_LISTENS

ROOT = Path(__file__).parents[2]
AWAY = {"DATABASE_URL": f"postgresql://u:p@{NOBODY_LISTENS}/x", "TEMPORAL_ADDRESS": NOBODY_LISTENS, "API_PORT": "0"}


async def start(**environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "api",
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        stderr=asyncio.subprocess.PIPE,
    )


@dataclass(frozen=True)
class Running:
    process: asyncio.subprocess.Process
    url: str


@asynccontextmanager
async def running(**environment: str) -> AsyncIterator[Running]:
    """The API once it is ready. It is stopped by SIGTERM and has to exit 0."""
    process = await start(**environment)
    assert process.stderr is not None
    try:
        async with asyncio.timeout(60):
            async for line in process.stderr:
                event = json.loads(line)
                if event["event"] == "api_ready":
                    break
        yield Running(process, f"http://{event['host']}:{event['port']}")
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(40):
            _, rest = await process.communicate()
    assert process.returncode == 0, rest.decode()
