"""Records until when a channel is stopped, because its provider accepts no message from us before that."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import DateTime, Interval, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

_STOP = text("""
INSERT INTO channel_stops (channel, until) VALUES (:channel, :until)
ON CONFLICT (channel) DO UPDATE SET
    until = greatest(channel_stops.until, excluded.until),
    stopped_at = CASE WHEN channel_stops.until > now() THEN channel_stops.stopped_at ELSE now() END
""").bindparams(bindparam("channel", type_=Text), bindparam("until", type_=DateTime(timezone=True)))
_FIND = text("""
SELECT channel, until FROM channel_stops WHERE until > now() AND until - stopped_at >= :length ORDER BY channel
""").bindparams(bindparam("length", type_=Interval))


async def stop(connection: AsyncConnection, channel: str, until: datetime) -> None:
    """Records the stop. If a later end is recorded already, it stays. May run twice."""
    await connection.execute(_STOP, {"channel": channel, "until": until})


async def find_stopped(connection: AsyncConnection, length: timedelta = timedelta(0)) -> dict[str, datetime]:
    """Returns the channels that are stopped now, for at least this length, each with the end of its stop."""
    return {row.channel: row.until for row in await connection.execute(_FIND, {"length": length})}
