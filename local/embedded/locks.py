"""Locks between processes, which the kernel frees when the holder dies."""

import os
import sys
from pathlib import Path

from filelock import FileLock, Timeout


class ProcessLock:
    """An exclusive lock on a file, with the pid of its holder in the file.

    `filelock` holds the lock. It does not tell who the holder is, so each holder writes its pid.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path, mode=0o600, thread_local=False, on_acquired=_write_pid)

    def try_acquire(self) -> bool:
        """Take the lock if it is free. Not re-entrant: a second attempt in the same process is refused too."""
        if self.held:
            return False
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            return False
        return True

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._lock.is_locked

    def release(self) -> None:
        """Free the lock. Does nothing if this object does not hold it."""
        self._lock.release()

    def holder(self) -> str:
        """The pid of the last process that took the lock, or `unknown`: for messages only."""
        try:
            return self._path.read_text().strip() or "unknown"
        except OSError:
            return "unknown"


def _write_pid(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())


def main() -> None:
    """Exit with 1 if embedded servers run on the folder that the argument names."""
    for path in Path(sys.argv[1]).rglob("servers.lock"):
        lock = ProcessLock(path)
        if not lock.try_acquire():
            sys.exit(f"Embedded servers run on {path.parent}: process {lock.holder()}. Stop them first.")


if __name__ == "__main__":
    main()
