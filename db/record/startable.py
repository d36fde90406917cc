"""What stands open and has no workflow yet: hand it over in turns, as far as there is room, and write it down."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import ARRAY, BigInteger, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.queues import Channel
from contracts.scanning import StartableNotification, TakeStartableResult
from contracts.sending import Fairness

_MARK_STARTED = text(
    "UPDATE notifications SET started_at = now() WHERE id = ANY(:ids) AND started_at IS NULL"
).bindparams(bindparam("ids", type_=ARRAY(BigInteger)))


async def mark_started(connection: AsyncConnection, notification_ids: Sequence[int]) -> None:
    """Writes down that these have a workflow. May run twice."""
    await connection.execute(_MARK_STARTED, {"ids": list(notification_ids)})


# Interleaves the companies: first everybody's most urgent, then everybody's second. A row counts as in flight
# until one of its channels has been attempted; what waits for a retry holds nobody back. What is held, by a quiet time
# or a pause, is as if it were not there, also if its workflow was started before.
_STARTABLE = text("""
WITH in_flight AS (
    SELECT coalesce(n.company_id, 0) AS company, count(*) AS rows
    FROM notifications n LEFT JOIN companies c ON c.id = n.company_id
    WHERE n.status = 'open' AND n.started_at IS NOT NULL
      AND NOT EXISTS (
          SELECT FROM deliveries d
          WHERE d.notification_id = n.id AND (d.claim_seq > 0 OR d.status = 'accepted')
      )
      AND held_until(n.notification_type, n.give_up_at, c.timezone, c.quiet_from, c.quiet_until) IS NULL
    GROUP BY 1
), companies_waiting AS (
    SELECT coalesce(n.company_id, 0) AS company, count(*) AS rows
    FROM notifications n LEFT JOIN companies c ON c.id = n.company_id
    WHERE n.status = 'open' AND n.started_at IS NULL
      AND held_until(n.notification_type, n.give_up_at, c.timezone, c.quiet_from, c.quiet_until) IS NULL
    GROUP BY 1
), urgent AS (
    SELECT next.*, row_number() OVER (PARTITION BY w.company ORDER BY next.give_up_at, next.id) AS turn
    FROM companies_waiting w
    LEFT JOIN in_flight f USING (company)
    CROSS JOIN LATERAL (
        SELECT n.id, n.notification_type, n.workflow_id, n.give_up_at, n.company_id, n.project_id, n.ar_content_id,
               n.days_left, n.recovered_at, n.metadata
        FROM notifications n LEFT JOIN companies c ON c.id = n.company_id
        WHERE n.status = 'open' AND n.started_at IS NULL AND coalesce(n.company_id, 0) = w.company
          AND held_until(n.notification_type, n.give_up_at, c.timezone, c.quiet_from, c.quiet_until) IS NULL
        ORDER BY n.give_up_at, n.id
        LIMIT greatest(0, least(:limit, :per_company - coalesce(f.rows, 0)))
    ) next
)
SELECT urgent.id AS notification_id, notification_type, workflow_id, give_up_at, company_id, project_id, ar_content_id,
       days_left, recovered_at IS NOT NULL AS recovered,
       ARRAY(
           SELECT d.channel FROM deliveries d
           WHERE d.notification_id = urgent.id AND d.reopened_at IS NOT NULL
           ORDER BY d.channel
       ) AS reopened,
       coalesce(metadata ->> 'telegram_recipient', c.telegram_chat_id::text) AS chat,
       (SELECT sum(rows) FROM companies_waiting)::bigint AS waiting
FROM urgent
LEFT JOIN companies c ON c.id = urgent.company_id
ORDER BY turn, give_up_at, urgent.id
LIMIT greatest(0, least(:limit, :in_all - (SELECT coalesce(sum(rows), 0) FROM in_flight)))
""").bindparams(
    bindparam("limit", type_=BigInteger),
    bindparam("per_company", type_=BigInteger),
    bindparam("in_all", type_=BigInteger),
)
_WAITING = text("""
SELECT coalesce(bool_or(held_until IS NULL), false) AS for_room,
       min(held_until) FILTER (WHERE held_until < 'infinity') AS next_start_at
FROM (
    SELECT held_until(n.notification_type, n.give_up_at, c.timezone, c.quiet_from, c.quiet_until)
    FROM notifications n LEFT JOIN companies c ON c.id = n.company_id
    WHERE n.status = 'open' AND n.started_at IS NULL
) waiting
""")


async def find_startable(
    connection: AsyncConnection,
    limit: int,
    in_all: int,
    per_company: int,
    chat_fairness: Callable[[str | None], Fairness],
) -> TakeStartableResult:
    """Open notifications without a workflow, as many as there is room for, and how many more stand behind them.

    `chat_fairness` tells a chat's share of the limits. `next_start_at` is told with the last of them, an empty list.
    """
    rows = (
        (await connection.execute(_STARTABLE, {"limit": limit, "in_all": in_all, "per_company": per_company}))
        .mappings()
        .all()
    )
    if not rows:
        waiting = (await connection.execute(_WAITING)).one()
        return TakeStartableResult([], int(waiting.for_room), waiting.next_start_at)
    startable = [
        StartableNotification(
            **{name: value for name, value in row.items() if name not in ("waiting", "chat", "recovered", "reopened")},
            again=row["recovered"] or bool(row["reopened"]),
            reopened=[Channel(channel) for channel in row["reopened"]],
            telegram_fairness=chat_fairness(row["chat"]),
        )
        for row in rows
    ]
    return TakeStartableResult(startable, rows[0]["waiting"] - len(startable))
