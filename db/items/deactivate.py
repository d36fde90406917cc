"""Deactivates what has ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db import locks
from db.items.ended import DeactivationRules, EndedItem
from db.items.rules import TOLD_WITH_ITS_PROJECT
from db.models import TIMESTAMPTZ


@dataclass(frozen=True)
class DeactivatedItem:
    """An item that was deactivated and gets a notification of its own."""

    project_id: int
    ar_content_id: int | None
    company_id: int
    ends_at: datetime


@dataclass(frozen=True)
class DeactivatedPage:
    """What one page deactivated."""

    projects: int
    contents: int
    """Including AR content that was deactivated with its project."""
    to_be_told: list[DeactivatedItem]


# The lock evaluates the conditions again on the current row: an item that was renewed after the page was read stays
# active.
_DEACTIVATE_PROJECTS = text("""
WITH locked AS (
    SELECT p.id
    FROM projects p
    JOIN unnest(:ids, :ends_at) AS page (id, ends_at) ON page.id = p.id AND page.ends_at = p.expires_at
    WHERE p.status = 'active' AND NOT p.auto_renew AND p.expires_at <= :ended_before
    ORDER BY p.id
    FOR NO KEY UPDATE OF p
)
UPDATE projects p SET status = 'expired', deactivated_at = :now
FROM locked WHERE p.id = locked.id
RETURNING p.id AS project_id, CAST(NULL AS bigint) AS ar_content_id, p.company_id, p.expires_at AS ends_at,
          true AS told_by_itself
""").bindparams(
    bindparam("ids", type_=ARRAY(BigInteger)),
    bindparam("ends_at", type_=ARRAY(TIMESTAMPTZ)),
    bindparam("ended_before", type_=TIMESTAMPTZ),
    bindparam("now", type_=TIMESTAMPTZ),
)

# A project's content is deactivated with it, whatever its own end. `told_by_itself`: no project's notification lists
# it.
_DEACTIVATE_CONTENTS_STATEMENT = """
WITH locked AS (
    SELECT a.id
    FROM ar_contents a
    WHERE a.is_active AND (
        a.project_id = ANY(:project_ids)
        OR a.id = ANY(:ids) AND a.expires_at <= :ended_before
           AND (a.id, a.expires_at) IN (SELECT * FROM unnest(:ids, :ends_at))
    )
    ORDER BY a.id
    FOR NO KEY UPDATE
), deactivated AS (
    UPDATE ar_contents a SET is_active = false, deactivated_at = :now
    FROM locked WHERE a.id = locked.id
    RETURNING a.id, a.project_id, a.expires_at
)
SELECT p.id AS project_id, a.id AS ar_content_id, p.company_id, a.expires_at AS ends_at,
       a.expires_at IS NOT NULL AND (p.status = 'active' OR p.id = ANY(:project_ids))
         AND NOT {told_with_its_project} AS told_by_itself
FROM deactivated a
JOIN projects p ON p.id = a.project_id
JOIN companies c ON c.id = p.company_id
"""
_DEACTIVATE_CONTENTS = text(
    _DEACTIVATE_CONTENTS_STATEMENT.format(told_with_its_project=TOLD_WITH_ITS_PROJECT)
).bindparams(
    bindparam("project_ids", type_=ARRAY(BigInteger)),
    bindparam("ids", type_=ARRAY(BigInteger)),
    bindparam("ends_at", type_=ARRAY(TIMESTAMPTZ)),
    bindparam("ended_before", type_=TIMESTAMPTZ),
    bindparam("now", type_=TIMESTAMPTZ),
)


async def deactivate_page(
    connection: AsyncConnection, rules: DeactivationRules, page: Sequence[EndedItem]
) -> DeactivatedPage:
    """Deactivates the items of the page that are still active and have still ended, each under its row's lock.

    Needs a transaction. Waits for a running import, which may lock many rows in another order.
    """
    await locks.lock(connection)
    ended_projects = [item for item in page if item.ar_content_id is None]
    ended_contents = [item for item in page if item.ar_content_id is not None]
    moment = {"ended_before": rules.ended_before, "now": rules.now}
    projects = (
        await connection.execute(
            _DEACTIVATE_PROJECTS,
            {
                "ids": [item.project_id for item in ended_projects],
                "ends_at": [item.ends_at for item in ended_projects],
                **moment,
            },
        )
    ).all()
    project_ids = [row.project_id for row in projects]
    contents = (
        await connection.execute(
            _DEACTIVATE_CONTENTS,
            {
                "project_ids": project_ids,
                "ids": [item.ar_content_id for item in ended_contents],
                "ends_at": [item.ends_at for item in ended_contents],
                **moment,
            },
        )
    ).all()
    to_be_told = [
        DeactivatedItem(row.project_id, row.ar_content_id, row.company_id, row.ends_at)
        for row in (*projects, *contents)
        if row.told_by_itself
    ]
    return DeactivatedPage(len(projects), len(contents), to_be_told)
