"""The host that a worker runs on: disk, memory, processor. Codes bear its name: there may be several."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from pathlib import Path

import psutil

from activities.health.findings import Findings, Problem, found
from settings import Settings


async def host(settings: Settings) -> Findings:
    """Looks at the host of the worker that this runs in."""
    return await asyncio.to_thread(_look, settings)  # a disk that hangs is waited for


def _look(settings: Settings) -> Findings:
    name = socket.gethostname()
    disks = {path: psutil.disk_usage(path).percent for path in (str(Path.cwd()), tempfile.gettempdir())}
    fullest = max(disks, key=lambda path: disks[path])
    return (
        _limited(
            f"disk.{name}",
            disks[fullest],
            settings.disk_limit,
            f"The disk of {name} is full to {disks[fullest]:.0f}%",
            f"The one that holds {fullest}; DISK_LIMIT is {settings.disk_limit:g}%. Make room before it is full.\n",
        )
        + _limited(
            f"memory.{name}",
            memory := psutil.virtual_memory().percent,
            settings.memory_limit,
            f"The memory of {name} is used to {memory:.0f}%",
            f"MEMORY_LIMIT is {settings.memory_limit:g}%. Look for what takes it.\n",
        )
        + _limited(
            f"cpu.{name}",
            load := 100 * psutil.getloadavg()[2] / (os.cpu_count() or 1),
            settings.cpu_limit,
            f"{name} has had more to do than it can for 15 minutes",
            f"Its load is {load:.0f}% of its cores; CPU_LIMIT is {settings.cpu_limit:g}%. Look for what takes it.\n",
        )
    )


def _limited(code: str, value: float, limit: float, subject: str, message: str) -> Findings:
    return found([code], Problem(code, subject, message) if value > limit else None)
