"""Alerts to the admin: one for each problem, however many workers meet it."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Interval, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.notifications import AddressedNotification, open_addressed

_WAS_RAISED = text("""
SELECT EXISTS (
    SELECT FROM notifications
    WHERE notification_type = 'alert' AND metadata ->> 'problem' = :problem AND created_at > now() - :cooldown
)
""").bindparams(bindparam("problem", type_=Text), bindparam("cooldown", type_=Interval))


async def was_raised(connection: AsyncConnection, problem: str, cooldown: timedelta) -> bool:
    """Whether an alert for the problem was opened within `cooldown`. Reads only."""
    return bool(await connection.scalar(_WAS_RAISED, {"problem": problem, "cooldown": cooldown}))


_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('alert:' || :problem, 0))").bindparams(
    bindparam("problem", type_=Text)
)


async def open_once(
    connection: AsyncConnection, alert: AddressedNotification, problem: str, cooldown: timedelta
) -> int | None:
    """Opens the alert and returns its id. None: another process did within `cooldown`.

    Needs a transaction: its lock makes all that meet the same problem wait for one another.
    """
    await connection.execute(_LOCK, {"problem": problem})
    if await was_raised(connection, problem, cooldown):
        return None
    return await open_addressed(connection, alert)
