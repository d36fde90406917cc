"""Finds items that are due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, Integer, TextClause, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.scanning import PageCursor
from db.items.kinds import CONTENTS, PROJECTS, count_of, of_kind, page_of
from db.items.rules import IS_REACHED_BY, TOLD_WITH_ITS_PROJECT
from db.models import TIMESTAMPTZ
from db.record.rules import always_delivered
from db.record.said import UNSAID

FIRST_PAGE = PageCursor(ends_at=datetime.fromisoformat("0001-01-02T00:00:00+00:00"), project_id=0)
"""The cursor before every item."""


@dataclass(frozen=True)
class DueRules:
    """What decides whether an item is due, apart from its own row."""

    now: datetime
    last_chance_before: datetime
    """Items that end before this cannot wait for a later scan, so they have no cooldown."""
    default_thresholds: Sequence[int]
    cooling_since: datetime
    """A nominal time: an item is in its cooldown if a notification of a later scan than this was accepted."""


@dataclass(frozen=True)
class DueItem:
    """A due item: a project, or AR content with an end of its own."""

    project_id: int
    ar_content_id: int | None
    company_id: int
    company_slug: str
    timezone: str
    """The company's."""
    project_slug: str
    ar_content_slug: str | None
    ends_at: datetime
    days_left: int
    threshold_days: int
    channels: list[str]
    """The channels on which the company can be reached."""

    @property
    def cursor(self) -> PageCursor:
        """The cursor of the page after this item."""
        return PageCursor(self.ends_at, self.project_id, self.ar_content_id or 0)


# Days are counted on the company's calendar. The partial indexes on the ends serve the range and the order; 367 days
# are the longest threshold, and a day for any time zone.
#
# A threshold whose day is not after the project's first day is left out: it would notify of the end at the start. If no
# threshold remains, the notification is due at half the item's life, unless this end was notified before. A project's
# own empty list means never.
_DUE_OF_A_KIND = """
SELECT p.id AS project_id, {ar_content_id} AS ar_content_id, p.company_id, c.slug AS company_slug,
       c.timezone, p.slug AS project_slug, {ar_content_slug} AS ar_content_slug, {ends_at} AS ends_at,
       remaining.days AS days_left, crossed.days AS threshold_days,
       ARRAY(
           SELECT contact.channel
           FROM contacts contact
           WHERE contact.company_id = p.company_id AND {is_reached_by}
           GROUP BY contact.channel
           ORDER BY array_position(:always_delivered, contact.channel), min(contact.id)
       ) AS channels
FROM {items}
JOIN companies c ON c.id = p.company_id
CROSS JOIN LATERAL (
    SELECT coalesce(p.notify_before_expiry_days, :default_thresholds) AS thresholds,
           ({ends_at} AT TIME ZONE c.timezone)::date AS end_day,
           CASE WHEN p.starts_at < {ends_at} THEN p.starts_at END AS starts_at
) life
CROSS JOIN LATERAL (SELECT life.end_day - (:now AT TIME ZONE c.timezone)::date AS days) remaining
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN count(*) > 0 THEN min(t) FILTER (WHERE t >= remaining.days)
        WHEN cardinality(life.thresholds) > 0 AND :now >= life.starts_at + ({ends_at} - life.starts_at) / 2
            THEN life.end_day
                 - ((life.starts_at + ({ends_at} - life.starts_at) / 2) AT TIME ZONE c.timezone)::date
    END AS days, count(*) = 0 AS is_half
    FROM unnest(life.thresholds) AS t
    WHERE life.starts_at IS NULL OR t < life.end_day - (life.starts_at AT TIME ZONE c.timezone)::date
) crossed
WHERE {is_active}
  AND {ends_at} > :now AND {ends_at} < :now + interval '367 days'
  AND ({order}) > ({after})
  AND crossed.days IS NOT NULL
  AND NOT EXISTS (
      SELECT FROM notifications n
      WHERE {is_about} AND n.notification_type = 'expiring' AND n.item_ends_at = {ends_at}
        AND (n.threshold_days <= crossed.days OR crossed.is_half)
        AND NOT {unsaid}
  )
  AND (
      {ends_at} <= :last_chance_before
      OR NOT EXISTS (
          SELECT FROM notifications n JOIN deliveries d ON d.notification_id = n.id
          WHERE {is_about} AND n.notification_type = 'expiring' AND d.status = 'accepted'
            AND n.scan_at > :cooling_since
      )
  )
ORDER BY {order}
LIMIT :page_size
"""

_DUE = page_of(
    of_kind(
        _DUE_OF_A_KIND,
        PROJECTS,
        unsaid=UNSAID,
        is_reached_by=IS_REACHED_BY,
        is_active="p.status = 'active' AND NOT p.auto_renew",
        after=":after_ends_at, :after_project_id",
    ),
    of_kind(
        _DUE_OF_A_KIND,
        CONTENTS,
        unsaid=UNSAID,
        is_reached_by=IS_REACHED_BY,
        is_active=f"a.is_active AND p.status = 'active' AND NOT {TOLD_WITH_ITS_PROJECT}",
        after=":after_ends_at, :after_project_id, :after_ar_content_id",
    ),
    limit="page_size",
)


def _with_types(statement: str) -> TextClause:
    return text(statement).bindparams(
        always_delivered(),
        bindparam("now", type_=TIMESTAMPTZ),
        bindparam("cooling_since", type_=TIMESTAMPTZ),
        bindparam("last_chance_before", type_=TIMESTAMPTZ),
        bindparam("after_ends_at", type_=TIMESTAMPTZ),
        bindparam("after_project_id", type_=BigInteger),
        bindparam("after_ar_content_id", type_=BigInteger),
        bindparam("page_size", type_=BigInteger),
        bindparam("default_thresholds", type_=ARRAY(Integer)),
    )


_FIND_DUE = _with_types(_DUE)
_COUNT_DUE = _with_types(count_of(_DUE))


def _parameters(rules: DueRules, limit: int, after: PageCursor) -> dict[str, object]:
    return {
        "now": rules.now,
        "last_chance_before": rules.last_chance_before,
        "default_thresholds": list(rules.default_thresholds),
        "cooling_since": rules.cooling_since,
        "after_ends_at": after.ends_at,
        "after_project_id": after.project_id,
        "after_ar_content_id": after.ar_content_id,
        "page_size": limit,
    }


async def find_due(
    connection: AsyncConnection, rules: DueRules, page_size: int, after: PageCursor = FIRST_PAGE
) -> list[DueItem]:
    """Returns the next due items in the order of their ends. Reads only."""
    rows = await connection.execute(_FIND_DUE, _parameters(rules, page_size, after))
    return [DueItem(**row) for row in rows.mappings()]


async def count_due(connection: AsyncConnection, rules: DueRules, limit: int) -> int:
    """Counts the due items, up to `limit`. Reads only."""
    return int(await connection.scalar(_COUNT_DUE, _parameters(rules, limit, FIRST_PAGE)) or 0)
