"""The lock between processes: one holder, whose pid is told, and free once the holder is dead."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from local.embedded.locks import ProcessLock
from local.programs import Program, run_to_end

HOLD = """
import pathlib, signal, sys
from local.embedded.locks import ProcessLock
lock = ProcessLock(pathlib.Path(sys.argv[1]))
assert lock.try_acquire()
print("held", flush=True)
signal.pause()
"""


def test_a_lock_is_held_once(tmp_path: Path) -> None:
    first, second = ProcessLock(tmp_path / "state" / "lock"), ProcessLock(tmp_path / "state" / "lock")
    assert second.holder() == "unknown"
    assert first.try_acquire()
    assert not first.try_acquire()
    assert not second.try_acquire()
    assert second.holder() == str(os.getpid())
    first.release()
    assert second.try_acquire()
    second.release()


async def test_a_dead_process_holds_no_lock(tmp_path: Path) -> None:
    lock = ProcessLock(tmp_path / "lock")
    async with Program(["-c", HOLD, str(tmp_path / "lock")], log_file=tmp_path / "log", environment={}) as holder:
        await holder.wait_for_line("held")
        assert not lock.try_acquire()
        assert lock.holder() == str(holder.pid)
        assert await holder.stop(signal.SIGKILL) == -signal.SIGKILL
    assert lock.try_acquire()
    lock.release()


async def test_demo_clean_is_refused_while_servers_run(tmp_path: Path) -> None:
    lock = ProcessLock(tmp_path / "servers.lock")
    assert lock.try_acquire()
    check = ["-m", "local.embedded.locks", str(tmp_path)]
    refused = await run_to_end(check, environment={})
    lock.release()
    assert refused.status == 1
    assert refused.err == f"Embedded servers run on {tmp_path}: process {os.getpid()}. Stop them first.\n"
    assert (await run_to_end(check, environment={})).status == 0
