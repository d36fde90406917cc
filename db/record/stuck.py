"""Counts what needs an operator: deliveries in doubt, and what is stuck."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ARRAY, Interval, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.record.rules import ABOUT_AN_ITEM

_IN_DOUBT = text("SELECT count(*) FROM deliveries WHERE status = 'unknown'")


async def count_in_doubt(connection: AsyncConnection) -> int:
    """Counts the deliveries in doubt."""
    return int(await connection.scalar(_IN_DOUBT) or 0)


# In two halves, because there is an index for each.
_OPEN = text("""
SELECT (SELECT count(*) FROM notifications WHERE status = 'open' AND started_at IS NOT NULL) AS started,
       (SELECT count(*) FROM notifications WHERE status = 'open' AND started_at IS NULL) AS not_started
""")


@dataclass(frozen=True)
class Open:
    """Counts of the open notifications, with and without a workflow."""

    started: int
    not_started: int


async def count_open(connection: AsyncConnection) -> Open:
    """Counts the open notifications, held ones too."""
    return Open(**(await connection.execute(_OPEN)).mappings().one())


@dataclass(frozen=True)
class Stuck:
    """Counts of what is stuck, although it is not held."""

    sending: int
    """Deliveries in flight for longer than an attempt and the wait for the next one may take."""
    past_end: int
    """Notifications that are open past their deadline."""
    not_started: int
    """Notifications without a workflow."""


# A notification that was held until a moment ago may not have been started yet. Tests and alerts are never held.
_MOVES = f"""(
    NOT {ABOUT_AN_ITEM}
    OR (held_until(n.notification_type, n.give_up_at, c.timezone, c.quiet_from, c.quiet_until) IS NULL
        AND quiet_until(now() - interval '15 minutes', c.timezone, c.quiet_from, c.quiet_until) IS NULL
        AND NOT EXISTS (SELECT FROM pauses WHERE resumed_at > now() - interval '15 minutes'))
)"""
# Open notifications are counted in two halves, started or not, because there is an index for each.
# MATERIALIZED keeps the planner from reading all notifications for a few deliveries.
_STUCK = text(f"""
WITH overdue AS MATERIALIZED (
    SELECT notification_id
    FROM deliveries
    WHERE status = 'sending'
      AND sending_at < now() - coalesce((:longest)[array_position(:channels, channel)], :default)
)
SELECT (
    SELECT count(*)
    FROM overdue d JOIN notifications n ON n.id = d.notification_id LEFT JOIN companies c ON c.id = n.company_id
    WHERE {_MOVES}
) AS sending, (
    SELECT count(*)
    FROM notifications n LEFT JOIN companies c ON c.id = n.company_id
    WHERE n.status = 'open' AND n.started_at IS NOT NULL AND n.give_up_at < now() - interval '15 minutes' AND {_MOVES}
) + (
    SELECT count(*)
    FROM notifications n LEFT JOIN companies c ON c.id = n.company_id
    WHERE n.status = 'open' AND n.started_at IS NULL AND n.give_up_at < now() - interval '15 minutes' AND {_MOVES}
) AS past_end, (
    SELECT count(*)
    FROM notifications n LEFT JOIN companies c ON c.id = n.company_id
    WHERE n.status = 'open' AND n.started_at IS NULL AND n.give_up_at >= now() - interval '15 minutes'
      AND n.created_at < now() - interval '2 hours' AND {_MOVES}
) AS not_started
""").bindparams(  # noqa: S608 - made of constants
    bindparam("channels", type_=ARRAY(Text)),
    bindparam("longest", type_=ARRAY(Interval)),
    bindparam("default", type_=Interval),
)


async def count_stuck(connection: AsyncConnection, longest: Mapping[str, timedelta], default: timedelta) -> Stuck:
    """Counts what is stuck. `longest` is how long a delivery may be in flight, by channel; `default` is for others."""
    parameters = {"channels": list(longest), "longest": list(longest.values()), "default": default}
    row = (await connection.execute(_STUCK, parameters)).mappings().one()
    return Stuck(**row)
