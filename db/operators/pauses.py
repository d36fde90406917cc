"""When the sending to companies was stopped, by whom and why, and when it went on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True)
class Pause:
    operator: str
    why: str
    paused_at: datetime
    resumed_by: str | None
    resumed_at: datetime | None

    @property
    def holds(self) -> bool:
        """Whether nothing is sent to companies."""
        return self.resumed_at is None

    @property
    def note(self) -> str:
        """What a Schedule says that was paused with it; by this it is recognised."""
        return f"paused by {self.operator}: {self.why}"


_COLUMNS = "operator, why, paused_at, resumed_by, resumed_at"
_PAUSE = text("""
INSERT INTO pauses (operator, why) VALUES (:operator, :why)
ON CONFLICT ((resumed_at IS NULL)) WHERE resumed_at IS NULL DO NOTHING
""").bindparams(bindparam("operator", type_=Text), bindparam("why", type_=Text))
_NEWEST = text(f"SELECT {_COLUMNS} FROM pauses ORDER BY id DESC LIMIT 1")  # noqa: S608 - ours
_RESUME = text("""
UPDATE pauses SET resumed_at = now(), resumed_by = :operator WHERE resumed_at IS NULL
""").bindparams(bindparam("operator", type_=Text))


async def pause(connection: AsyncConnection, operator: str, why: str) -> bool:
    """Stops the sending. False: it is stopped already, and stays so for the reason given then."""
    return (await connection.execute(_PAUSE, {"operator": operator, "why": why})).rowcount == 1


async def newest(connection: AsyncConnection) -> Pause | None:
    """The pause that holds, else the last one. None: there has been none."""
    row = (await connection.execute(_NEWEST)).mappings().one_or_none()
    return None if row is None else Pause(**row)


async def resume(connection: AsyncConnection, operator: str) -> bool:
    """Lets the sending go on. False: it was not stopped."""
    return (await connection.execute(_RESUME, {"operator": operator})).rowcount == 1
