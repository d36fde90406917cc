"""Ends and removes what a killed run leaves: processes, the postmaster's lock file, its socket folder."""

import contextlib
import shutil
import signal
from pathlib import Path

import psutil

_LOCK_FILE = "postmaster.pid"
_SOCKET_DIRECTORY_LINE = 4


def end_leftovers(directory: Path) -> None:
    """End every PostgreSQL process on `directory` and remove what they left. The caller holds the directory's lock.

    PostgreSQL removes a stale lock file by itself, unless another process of its user now has that pid.
    """
    lock_file = directory / _LOCK_FILE
    if not lock_file.exists():
        return
    lines = lock_file.read_text().splitlines()
    processes = _processes_on(directory)
    postmaster = [process for process in processes if lines[:1] == [str(process.pid)]]
    _end(postmaster, signal.SIGINT, seconds=10)
    _end(_processes_on(directory), signal.SIGKILL, seconds=10)
    lock_file.unlink(missing_ok=True)
    _remove_socket_directory(directory, lines)


def _processes_on(directory: Path) -> list[psutil.Process]:
    """The server's processes. The working directory of each is the data directory."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name().startswith("postgres") and Path(process.cwd()).samefile(directory):
                found.append(process)
    return found


def _end(processes: list[psutil.Process], signal_number: signal.Signals, *, seconds: float) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal_number)
    psutil.wait_procs(processes, timeout=seconds)


def _remove_socket_directory(directory: Path, lock_file_lines: list[str]) -> None:
    """Remove the socket's temporary folder, if there is one. It holds only the socket."""
    if len(lock_file_lines) <= _SOCKET_DIRECTORY_LINE:
        return
    socket_directory = Path(lock_file_lines[_SOCKET_DIRECTORY_LINE])
    if socket_directory.name.startswith("pg-") and socket_directory != directory:
        shutil.rmtree(socket_directory, ignore_errors=True)
