"""Pauses and resumes sending to companies, and records who did it, when and why."""

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
        """Whether the pause is in force."""
        return self.resumed_at is None

    @property
    def note(self) -> str:
        """The note of the Schedules that were paused with it, by which they are recognised."""
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
    """Pauses sending. Returns False if it is already paused; the earlier pause stays."""
    return (await connection.execute(_PAUSE, {"operator": operator, "why": why})).rowcount == 1


async def find_newest(connection: AsyncConnection) -> Pause | None:
    """Returns the pause in force, else the last one. None: there was no pause yet."""
    row = (await connection.execute(_NEWEST)).mappings().one_or_none()
    return None if row is None else Pause(**row)


async def resume(connection: AsyncConnection, operator: str) -> bool:
    """Resumes sending. Returns False if it was not paused."""
    return (await connection.execute(_RESUME, {"operator": operator})).rowcount == 1
