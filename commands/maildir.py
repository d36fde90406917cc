"""Reads the unseen messages of a Maildir and marks them.

The standard library's `mailbox` rewrites a message to mark it. Here a mark is a rename, as the format intends
(https://cr.yp.to/proto/maildir.html).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_FOLDERS = ("new", "cur")


class Flag(StrEnum):
    """What mail programs show as read, flagged and deleted."""

    SEEN = "S"
    FLAGGED = "F"
    TRASHED = "T"


@dataclass(frozen=True)
class Maildir:
    folder: Path

    def exists(self) -> bool:
        """Whether the folder is a Maildir."""
        return all((self.folder / name).is_dir() for name in (*_FOLDERS, "tmp"))

    def unseen(self) -> Iterator[Path]:
        """Yields the messages that have no flag, oldest first: a name begins with its time. Raises OSError."""
        files = [path for name in _FOLDERS for path in (self.folder / name).iterdir()]
        for path in sorted(files, key=lambda path: path.name):
            if not path.name.startswith(".") and not set(Flag) & set(_flags(path)) and path.is_file():
                yield path

    def read(self, message: Path, size: int) -> bytes | None:
        """Returns the first `size` bytes. None: another program moved the message. Raises OSError."""
        try:
            with message.open("rb") as file:
                return file.read(size)
        except FileNotFoundError:
            return None

    def mark(self, message: Path, flag: Flag) -> None:
        """Moves the message to `cur` and adds the flag. Does nothing if another program moved the message. Raises
        OSError."""
        flags = "".join(sorted({*_flags(message), flag}))
        try:
            message.rename(self.folder / "cur" / f"{message.name.partition(':')[0]}:2,{flags}")
        except FileNotFoundError:
            return


def _flags(message: Path) -> str:
    return message.name.partition(":2,")[2]
