"""Mails that come back, as real servers write them, and the Maildir that they come to."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

SAMPLES = Path(__file__).parent / "bounces"
RECIPIENT = "Anna@Customer.example"
"""Of every sample."""
MESSAGE_ID = "<expiring.project-1.20261201T000000Z.7d@platform.example>"


def bounced(
    sample: str = "postfix",
    message_id: str = MESSAGE_ID,
    notification_id: int = 7,
    written_at: datetime | None = None,
    changed: Mapping[str, str] | None = None,
) -> bytes:
    """A server's report. `changed` are values of fields in it, by their names in lower case; an empty one takes the
    field away."""
    text = (SAMPLES / f"{sample}.eml").read_text(encoding="utf-8")
    text = text.replace("@MESSAGE_ID@", message_id).replace("@NOTIFICATION_ID@", str(notification_id))
    text = text.replace("@DATE@", format_datetime(written_at or datetime.now(UTC)))
    lines: list[str] = []
    replaced = False
    for line in text.splitlines():
        if replaced and line.startswith((" ", "\t")):  # the rest of the value
            continue
        name = line.partition(":")[0]
        value = (changed or {}).get(name.lower())
        replaced = value is not None
        if value:
            lines.append(f"{name}: {value}")
        elif not replaced:
            lines.append(line)
    return "\r\n".join(lines).encode() + b"\r\n"


@dataclass(frozen=True)
class Mailbox:
    """A Maildir, and what became of the messages in it."""

    folder: Path
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        for name in ("new", "cur", "tmp"):
            (self.folder / name).mkdir(parents=True)

    def put(self, message: bytes, flags: str | None = None) -> str:
        """A new message, or with `flags` one that a mail program has shown. Returns its name without flags."""
        name = f"1780304407.M{next(self._numbers):06}.mail"
        path = self.folder / "new" / name if flags is None else self.folder / "cur" / f"{name}:2,{flags}"
        path.write_bytes(message)
        return name

    def flags(self) -> list[str]:
        """Of each message, in the order of their coming; `new` of those that nobody has seen."""
        files = [path for name in ("new", "cur") for path in (self.folder / name).iterdir()]
        ordered = sorted(files, key=lambda path: path.name)
        return ["new" if path.parent.name == "new" else path.name.partition(":2,")[2] for path in ordered]
