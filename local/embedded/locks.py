"""Locks between processes, given back by the kernel when the holder dies."""

import fcntl
import os
import sys
from pathlib import Path


class FileLock:
    """An exclusive lock on a file, which is created and never removed (removing it would let two hold it)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def try_acquire(self) -> bool:
        """Take the lock if it is free. Not re-entrant: a second lock in the same process is refused too."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except BaseException:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor
        return True

    @property
    def held(self) -> bool:
        """Whether this object holds it."""
        return self._descriptor is not None

    def release(self) -> None:
        """Give the lock back; nothing happens if it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> str:
        """The pid that took the lock last, or `unknown`: for messages only."""
        try:
            return self._path.read_text().strip() or "unknown"
        except OSError:
            return "unknown"


def main() -> None:
    """Exit with 1 if embedded servers run on the folder named by the argument."""
    for path in Path(sys.argv[1]).rglob("servers.lock"):
        lock = FileLock(path)
        if not lock.try_acquire():
            sys.exit(f"Embedded servers run on {path.parent}: process {lock.holder()}. Stop them first.")


if __name__ == "__main__":
    main()
