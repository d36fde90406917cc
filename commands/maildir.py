"""A Maildir, as far as it is needed: what nobody has seen yet, read and marked.

The standard library's `mailbox` would write a message anew to mark it; here a mark is a rename, as Maildir means it
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
        """The messages with none of the flags, in the order of their names, which begin with their time. Raises
        OSError."""
        files = [path for name in _FOLDERS for path in (self.folder / name).iterdir()]
        for path in sorted(files, key=lambda path: path.name):
            if not path.name.startswith(".") and not set(Flag) & set(_flags(path)) and path.is_file():
                yield path

    def read(self, message: Path, size: int) -> bytes | None:
        """Its beginning. None: somebody has moved it meanwhile. Raises OSError."""
        try:
            with message.open("rb") as file:
                return file.read(size)
        except FileNotFoundError:
            return None

    def mark(self, message: Path, flag: Flag) -> None:
        """Moves it to where seen messages are, with the flag. Of one that was moved meanwhile nothing is done. Raises
        OSError."""
        flags = "".join(sorted({*_flags(message), flag}))
        try:
            message.rename(self.folder / "cur" / f"{message.name.partition(':')[0]}:2,{flags}")
        except FileNotFoundError:
            return


def _flags(message: Path) -> str:
    return message.name.partition(":2,")[2]
