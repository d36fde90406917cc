"""Leases: one process at a time does something. A row and not an advisory lock of a session, which PgBouncer in
transaction mode would leave with a connection that it gives to others."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Interval, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

_TAKE = text("""
INSERT INTO leases AS lease (name, holder, until) VALUES (:name, :holder, now() + :length)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
    WHERE lease.holder = excluded.holder OR lease.until <= now()
""").bindparams(bindparam("name", type_=Text), bindparam("holder", type_=Text), bindparam("length", type_=Interval))
_GIVE_BACK = text("DELETE FROM leases WHERE name = :name AND holder = :holder").bindparams(
    bindparam("name", type_=Text), bindparam("holder", type_=Text)
)


async def take(connection: AsyncConnection, name: str, holder: str, length: timedelta) -> bool:
    """Takes the lease for this long, or renews it. Returns False if another holder has it."""
    return (await connection.execute(_TAKE, {"name": name, "holder": holder, "length": length})).rowcount == 1


async def give_back(connection: AsyncConnection, name: str, holder: str) -> None:
    """Lets another take the lease at once. Does nothing if this holder does not have it."""
    await connection.execute(_GIVE_BACK, {"name": name, "holder": holder})
