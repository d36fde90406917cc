"""Finds items that end or have ended, but whose company was not notified."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Boolean, Integer, Interval, bindparam, text
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.sending import NotificationStatus
from db.items.kinds import CONTENTS, PROJECTS, of_kind
from db.items.rules import TOLD_WITH_ITS_PROJECT
from db.models import TIMESTAMPTZ


class NoNotice(StrEnum):
    """Why an item has no notification of its end."""

    NEVER = "never to be told"
    """Its list of thresholds is empty."""
    NONE_YET = "no notification"


@dataclass(frozen=True)
class UntoldItem:
    """A project, or AR content with notifications of its own, without an accepted `expiring` notification."""

    project_id: int
    ar_content_id: int | None
    company: str
    timezone: str
    item: str
    """Its slug."""
    ends_at: datetime
    why: NotificationStatus | NoNotice
    """The status of its newest notification, if it has one and is ever to be told."""
    channels: dict[str, str]
    """The reason, else the status, of the newest notification's deliveries, by channel. Empty without one."""


# The indexes on the ends serve the range; everything else is looked up for the few items in it. OFFSET keeps the
# planner from reading all notifications.
_UNTOLD_OF_A_KIND = """
SELECT p.id AS project_id, {ar_content_id} AS ar_content_id, c.slug AS company, c.timezone, {slug} AS item,
       {ends_at} AS ends_at, newest.status IN ('undelivered', 'in_doubt') AS tried, newest.id IS NULL AS never_tried,
       CASE
           WHEN cardinality(p.notify_before_expiry_days) = 0 THEN 'never to be told'
           WHEN newest.id IS NOT NULL THEN newest.status
           WHEN newest.id IS NULL THEN 'no notification'
       END AS why,
       (SELECT coalesce(json_object_agg(first.channel, first.said), '{{}}')
        FROM (
            SELECT DISTINCT ON (d.channel) d.channel, coalesce(d.reason, d.status) AS said
            FROM deliveries d
            WHERE d.notification_id = newest.id
            ORDER BY d.channel, d.id
        ) first) AS channels
FROM {items}
JOIN companies c ON c.id = p.company_id
LEFT JOIN LATERAL (
    SELECT n.id, n.status
    FROM notifications n
    WHERE {is_about} AND n.notification_type = 'expiring' AND n.item_ends_at = {ends_at}
    ORDER BY n.id DESC
    LIMIT 1
) newest ON true
WHERE p.status = 'active' AND {is_active} AND {ends_at} < now() + :within
  AND NOT EXISTS (
      SELECT FROM notifications n JOIN deliveries d ON d.notification_id = n.id
      WHERE {is_about} AND n.notification_type = 'expiring' AND n.item_ends_at = {ends_at} AND d.status = 'accepted'
      OFFSET 0
  )
"""
_UNTOLD_PROJECTS = of_kind(_UNTOLD_OF_A_KIND, PROJECTS, is_active="NOT p.auto_renew")
_UNTOLD_CONTENTS = of_kind(
    _UNTOLD_OF_A_KIND, CONTENTS, is_active=f"a.is_active AND a.expires_at IS NOT NULL AND NOT {TOLD_WITH_ITS_PROJECT}"
)
_UNTOLD = text(f"""
WITH untold AS ({_UNTOLD_PROJECTS} UNION ALL {_UNTOLD_CONTENTS})
SELECT project_id, ar_content_id, company, timezone, item, ends_at, why, channels, count(*) OVER () AS in_all
FROM untold
WHERE NOT :only_problems
   OR (why <> 'never to be told' AND (tried OR (never_tried AND ends_at < :last_chance_before)))
ORDER BY ends_at, company, item
LIMIT :limit
""").bindparams(  # noqa: S608 - made of constants
    bindparam("within", type_=Interval),
    bindparam("only_problems", type_=Boolean),
    bindparam("last_chance_before", type_=TIMESTAMPTZ),
    bindparam("limit", type_=Integer),
)


async def list_untold(connection: AsyncConnection, within: timedelta) -> list[UntoldItem]:
    """Returns active items that end `within` this time or have ended, earliest end first. Reads only."""
    return (await _find(connection, within, only_problems=False))[0]


async def find_untold_problems(
    connection: AsyncConnection,
    within: timedelta,
    last_chance_before: datetime,
    limit: int,
) -> tuple[list[UntoldItem], int]:
    """Returns those of them that need an operator: a notification failed, or there is none and the item ends
    `last_chance_before`. Returns the first `limit`, and how many there are."""
    return await _find(
        connection,
        within,
        only_problems=True,
        last_chance_before=last_chance_before,
        limit=limit,
    )


async def _find(
    connection: AsyncConnection,
    within: timedelta,
    *,
    only_problems: bool,
    last_chance_before: datetime | None = None,
    limit: int | None = None,
) -> tuple[list[UntoldItem], int]:
    parameters: dict[str, Any] = {
        "within": within,
        "only_problems": only_problems,
        "last_chance_before": last_chance_before,
        "limit": limit,
    }
    rows = (await connection.execute(_UNTOLD, parameters)).mappings().all()
    return [_untold(row) for row in rows], rows[0]["in_all"] if rows else 0


def _untold(row: RowMapping) -> UntoldItem:
    why = NoNotice(row["why"]) if row["why"] in list(NoNotice) else NotificationStatus(row["why"])
    return UntoldItem(**{name: value for name, value in row.items() if name not in ("in_all", "why")}, why=why)
