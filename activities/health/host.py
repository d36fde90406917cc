"""Checks the worker's host: disk, memory and processor. The codes contain its name, since there may be several."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from pathlib import Path

import psutil

from activities.health.findings import Findings, Problem, found
from settings import Settings


async def look_at_host(settings: Settings) -> Findings:
    """Checks the host of the worker that this runs in."""
    return await asyncio.to_thread(_look, settings)  # in a thread, because a disk may hang


def _look(settings: Settings) -> Findings:
    name = socket.gethostname()
    disks = {path: psutil.disk_usage(path).percent for path in (str(Path.cwd()), tempfile.gettempdir())}
    fullest = max(disks, key=lambda path: disks[path])
    return (
        _compare(
            f"disk.{name}",
            disks[fullest],
            settings.disk_limit,
            f"Disk on {name} is {disks[fullest]:.0f} % full",
            f"DISK_LIMIT is {settings.disk_limit:g} %. Free space on the disk that holds {fullest}.\n",
        )
        + _compare(
            f"memory.{name}",
            memory := psutil.virtual_memory().percent,
            settings.memory_limit,
            f"Memory on {name} is {memory:.0f} % used",
            f"MEMORY_LIMIT is {settings.memory_limit:g} %. Find out which process uses it.\n",
        )
        + _compare(
            f"cpu.{name}",
            load := 100 * psutil.getloadavg()[2] / (os.cpu_count() or 1),
            settings.cpu_limit,
            f"{name} has been overloaded for 15 minutes",
            f"Its load is {load:.0f} % of its cores; CPU_LIMIT is {settings.cpu_limit:g} %. Find out which process "
            "causes it.\n",
        )
    )


def _compare(code: str, value: float, limit: float, subject: str, message: str) -> Findings:
    return found([code], Problem(code, subject, message) if value > limit else None)
