"""Removes what is older than it is to be kept, in pages. Each page is one short transaction that waits for no lock.

A page locks rows and skips those that are locked by others: a bounce or an operator's command comes first, and a later
page or the next day takes what was skipped. So a page never waits while it holds a lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, TextClause, bindparam, text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from db.items.rules import ENDS_AT_OF_ITS_ITEM
from db.models import TIMESTAMPTZ
from db.record.rules import ABOUT_AN_ITEM
from db.record.texts import EMPTY_DELIVERY, EMPTY_NOTIFICATION, HAS_TEXTS, codes_of

MOST_MILLISECONDS = 900
"""Most time of a page. What takes longer is cancelled, so that no lock is held for a second."""

_LIMIT_TIME = text("SELECT set_config('statement_timeout', :most, true), set_config('lock_timeout', :most, true)")

# What the deliveries' lock leaves out is left out as a whole.
_FREE = """
locked AS MATERIALIZED (
    SELECT d.id, d.notification_id
    FROM deliveries d JOIN page ON page.id = d.notification_id
    ORDER BY d.id
    FOR UPDATE OF d SKIP LOCKED
), free AS MATERIALIZED (
    SELECT page.id
    FROM page
    WHERE (SELECT count(*) FROM deliveries d WHERE d.notification_id = page.id)
        = (SELECT count(*) FROM locked WHERE locked.notification_id = page.id)
)"""


_TYPES = {"before": bindparam("before", type_=TIMESTAMPTZ)} | {
    name: bindparam(name, type_=BigInteger) for name in ("limit", "after")
}


def _with_types(statement: str) -> TextClause:
    return text(statement).bindparams(*(each for name, each in _TYPES.items() if f":{name}" in statement))


_IS_OLD_WITH_TEXTS = f"{HAS_TEXTS} AND n.finished_at < :before AND n.status <> 'open'"
_REMOVE_TEXTS = _with_types(f"""
WITH page AS MATERIALIZED (
    SELECT n.id FROM notifications n
    WHERE {_IS_OLD_WITH_TEXTS}
    ORDER BY n.finished_at, n.id
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
), {_FREE}, emptied AS (
    UPDATE deliveries d SET {EMPTY_DELIVERY}
    FROM free WHERE d.notification_id = free.id
), removed AS (
    UPDATE notifications n SET {EMPTY_NOTIFICATION}
    FROM free WHERE n.id = free.id
    RETURNING n.id
)
SELECT (SELECT count(*) FROM page) AS found, (SELECT count(*) FROM removed) AS removed
""")  # noqa: S608 - made of constants

# A key prevents a second notification of the same end. It cannot matter any more once that end is long past and the
# item does not have it while it is active: a scan looks at ends to come only, and a deactivation tells of no end that
# is as old as this. An accepted warning also lets its item be deactivated, and starts its cooldown, for which the
# settings keep rows long enough. What is in doubt waits for an operator.
_IS_OLD = f"""
n.status NOT IN ('open', 'in_doubt') AND n.finished_at < :before
  AND NOT EXISTS (
      SELECT FROM deliveries d WHERE d.notification_id = n.id AND d.status IN ('pending', 'sending', 'unknown')
  )
  AND (
      NOT {ABOUT_AN_ITEM}
      OR n.item_ends_at < :before AND NOT EXISTS (
          SELECT FROM projects p LEFT JOIN ar_contents a ON a.id = n.ar_content_id
          WHERE p.id = n.project_id AND ({ENDS_AT_OF_ITS_ITEM}) = n.item_ends_at
            AND (n.ar_content_id IS NULL AND p.status = 'active' OR a.is_active)
      )
  )"""  # noqa: S608 - made of constants
_REMOVE_RECORDS = _with_types(f"""
WITH looked_at AS MATERIALIZED (
    SELECT n.id, n.created_at FROM notifications n WHERE n.id > :after ORDER BY n.id LIMIT :limit
), page AS MATERIALIZED (
    SELECT n.id FROM notifications n
    WHERE n.id IN (SELECT id FROM looked_at) AND {_IS_OLD}
    ORDER BY n.id
    FOR UPDATE SKIP LOCKED
), {_FREE}, removed AS (
    DELETE FROM notifications n USING free WHERE n.id = free.id RETURNING n.id
)
SELECT (SELECT count(*) FROM looked_at) AS found, (SELECT count(*) FROM removed) AS removed,
       (SELECT max(id) FROM looked_at) AS last_id,
       (SELECT bool_and(created_at >= :before) FROM looked_at) AS all_young
""")  # noqa: S608 - made of constants

_EMPTY_SUPPRESSIONS = _with_types(f"""
UPDATE suppressions s SET provider_reply = {codes_of("s.provider_reply")}
WHERE (s.channel, s.address) IN (
    SELECT channel, address FROM suppressions
    WHERE created_at < :before AND provider_reply <> coalesce({codes_of("provider_reply")}, '')
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
)
""")  # noqa: S608 - made of constants
_EMPTY_INTERVENTIONS = _with_types("""
UPDATE interventions SET address = NULL
WHERE id IN (
    SELECT id FROM interventions WHERE created_at < :before AND address IS NOT NULL
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
)
""")
# That a company was erased, by whom and why, is kept.
_REMOVE_INTERVENTIONS = _with_types("""
DELETE FROM interventions
WHERE id IN (
    SELECT id FROM interventions WHERE created_at < :before AND action <> 'erase'
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
)
""")


@dataclass(frozen=True)
class Page:
    """What a page did. `more`: another page may find more."""

    removed: int
    more: bool
    last_id: int = 0
    """The last notification that was looked at."""


async def remove_texts(connection: AsyncConnection, before: datetime, limit: int) -> Page:
    """Removes texts and recipients of notifications that ended before this, the oldest first. Needs a transaction. May
    run twice."""
    row = await _run(connection, _REMOVE_TEXTS, {"before": before, "limit": limit})
    return Page(row.removed, more=row.found == limit and row.removed > 0)


async def remove_records(connection: AsyncConnection, before: datetime, limit: int, after: int) -> Page:
    """Removes notifications that ended before this with their deliveries, except those that still prevent telling
    somebody twice or wait for an operator. It looks at `limit` rows in the order of their ids. Needs a transaction. May
    run twice."""
    row = await _run(connection, _REMOVE_RECORDS, {"before": before, "limit": limit, "after": after})
    more = row.found == limit and not row.all_young
    return Page(row.removed, more, last_id=row.last_id or after)


async def empty_entries(connection: AsyncConnection, before: datetime, limit: int) -> Page:
    """Removes the provider's words from older suppressions, and addresses from older interventions. The suppressions
    stay. Needs a transaction. May run twice."""
    parameters = {"before": before, "limit": limit}
    await _limit_time(connection)
    emptied = [
        (await connection.execute(statement, parameters)).rowcount
        for statement in (_EMPTY_SUPPRESSIONS, _EMPTY_INTERVENTIONS)
    ]
    return Page(sum(emptied), more=limit in emptied)


async def remove_interventions(connection: AsyncConnection, before: datetime, limit: int) -> Page:
    """Removes older interventions. Needs a transaction. May run twice."""
    await _limit_time(connection)
    removed = (await connection.execute(_REMOVE_INTERVENTIONS, {"before": before, "limit": limit})).rowcount
    return Page(removed, more=removed == limit)


async def _run(connection: AsyncConnection, statement: TextClause, parameters: Mapping[str, Any]) -> Row[Any]:
    await _limit_time(connection)
    return (await connection.execute(statement, parameters)).one()


async def _limit_time(connection: AsyncConnection) -> None:
    await connection.execute(_LIMIT_TIME, {"most": str(MOST_MILLISECONDS)})


_COUNT_TEXTS = _with_types(f"SELECT count(*) FROM notifications n WHERE {_IS_OLD_WITH_TEXTS}")  # noqa: S608 - ours
_COUNT_RECORDS = _with_types(f"""
SELECT count(*) FILTER (WHERE {_IS_OLD}) AS old, count(*) FILTER (WHERE NOT ({_IS_OLD})) AS kept
FROM notifications n
WHERE n.finished_at < :before
""")  # noqa: S608 - made of constants


async def count_texts(connection: AsyncConnection, before: datetime) -> int:
    """Counts the notifications whose texts would be removed. Reads only."""
    return int(await connection.scalar(_COUNT_TEXTS, {"before": before}) or 0)


async def count_records(connection: AsyncConnection, before: datetime) -> tuple[int, int]:
    """Counts the notifications that would be removed, and those of that age that are still needed. Reads all rows."""
    row = (await connection.execute(_COUNT_RECORDS, {"before": before})).one()
    return row.old, row.kept
