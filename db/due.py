"""What is due: find it, and open a notification for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, Integer, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import NotificationType, PageCursor
from db.models import TIMESTAMPTZ

FIRST_PAGE = PageCursor(ends_at=datetime.fromisoformat("0001-01-02T00:00:00+00:00"), project_id=0)


@dataclass(frozen=True)
class DueRules:
    """What decides whether an item is due, beside its own row."""

    now: datetime
    last_chance_before: datetime
    """Items that end before this have no later scan to wait for: the cooldown yields."""
    default_thresholds: Sequence[int]
    cooling_since: datetime
    """Nominal time: an item with a notice accepted of a later scan than this is left alone for now."""


@dataclass(frozen=True)
class DueItem:
    """A project of which its company is to be told now."""

    project_id: int
    company_id: int
    company_slug: str
    project_slug: str
    ends_at: datetime
    days_left: int
    threshold_days: int
    email_enabled: bool
    telegram_enabled: bool


# Days are counted on the company's calendar. The partial index on (expires_at, id) carries the range and the
# order; 367 days is the longest threshold there may be, and a day for any zone.
_DUE = text("""
SELECT p.id AS project_id, p.company_id, c.slug AS company_slug, p.slug AS project_slug,
       p.expires_at AS ends_at, remaining.days AS days_left, crossed.days AS threshold_days,
       c.email_enabled AND c.contact_email IS NOT NULL AND NOT EXISTS (
           SELECT FROM suppressions WHERE channel = 'email' AND address = lower(c.contact_email)
       ) AS email_enabled,
       c.telegram_enabled AND c.telegram_chat_id IS NOT NULL AND NOT EXISTS (
           SELECT FROM suppressions WHERE channel = 'telegram' AND address = c.telegram_chat_id::text
       ) AS telegram_enabled
FROM projects p
JOIN companies c ON c.id = p.company_id
CROSS JOIN LATERAL (
    SELECT (p.expires_at AT TIME ZONE c.timezone)::date - (:now AT TIME ZONE c.timezone)::date AS days
) remaining
CROSS JOIN LATERAL (
    SELECT min(t) AS days
    FROM unnest(coalesce(p.notify_before_expiry_days, :default_thresholds)) AS t
    WHERE t >= remaining.days
) crossed
WHERE p.status = 'active' AND NOT p.auto_renew
  AND p.expires_at > :now AND p.expires_at < :now + interval '367 days'
  AND (p.expires_at, p.id) > (:after_ends_at, :after_id)
  AND crossed.days IS NOT NULL
  AND NOT EXISTS (
      SELECT FROM notifications n
      WHERE n.project_id = p.id AND n.notification_type = 'expiring' AND n.item_ends_at = p.expires_at
        AND n.ar_content_id IS NULL AND n.threshold_days <= crossed.days
  )
  AND (
      p.expires_at <= :last_chance_before
      OR NOT EXISTS (
          SELECT FROM notifications n JOIN deliveries d ON d.notification_id = n.id
          WHERE n.project_id = p.id AND n.notification_type = 'expiring' AND d.status = 'accepted'
            AND n.scan_at > :cooling_since
      )
  )
ORDER BY p.expires_at, p.id
LIMIT :page_size
""").bindparams(
    bindparam("now", type_=TIMESTAMPTZ),
    bindparam("cooling_since", type_=TIMESTAMPTZ),
    bindparam("last_chance_before", type_=TIMESTAMPTZ),
    bindparam("after_ends_at", type_=TIMESTAMPTZ),
    bindparam("after_id", type_=BigInteger),
    bindparam("default_thresholds", type_=ARRAY(Integer)),
)


async def find_due(
    connection: AsyncConnection, rules: DueRules, page_size: int, after: PageCursor = FIRST_PAGE
) -> list[DueItem]:
    """The next due projects in the order of their end. Reads only."""
    rows = await connection.execute(
        _DUE,
        {
            "now": rules.now,
            "last_chance_before": rules.last_chance_before,
            "default_thresholds": list(rules.default_thresholds),
            "cooling_since": rules.cooling_since,
            "after_ends_at": after.ends_at,
            "after_id": after.project_id,
            "page_size": page_size,
        },
    )
    return [DueItem(**row) for row in rows.mappings()]


@dataclass(frozen=True)
class NewNotification:
    """A notification about to be opened for a due item."""

    item: DueItem
    dedupe_key: str
    give_up_at: datetime


_OPEN = text("""
WITH opened AS (
    INSERT INTO notifications (notification_type, company_id, project_id, item_ends_at, threshold_days,
                               days_left, scan_at, give_up_at, dedupe_key, workflow_id)
    SELECT :notification_type, company_id, project_id, item_ends_at, threshold_days,
           days_left, :scan_at, give_up_at, dedupe_key, dedupe_key
    FROM unnest(:company_ids, :project_ids, :ends_at, :thresholds, :days_left, :give_up_at, :keys)
         AS new (company_id, project_id, item_ends_at, threshold_days, days_left, give_up_at, dedupe_key)
    ON CONFLICT (dedupe_key) DO NOTHING
    RETURNING id
), channels AS (
    INSERT INTO deliveries (notification_id, channel)
    SELECT opened.id, channel FROM opened CROSS JOIN unnest(ARRAY['email', 'telegram']) AS channel
)
SELECT count(*) FROM opened
""").bindparams(
    bindparam("notification_type", type_=Text),
    bindparam("scan_at", type_=TIMESTAMPTZ),
    bindparam("company_ids", type_=ARRAY(BigInteger)),
    bindparam("project_ids", type_=ARRAY(BigInteger)),
    bindparam("ends_at", type_=ARRAY(TIMESTAMPTZ)),
    bindparam("thresholds", type_=ARRAY(Integer)),
    bindparam("days_left", type_=ARRAY(Integer)),
    bindparam("give_up_at", type_=ARRAY(TIMESTAMPTZ)),
    bindparam("keys", type_=ARRAY(Text)),
)


async def open_expiring(
    connection: AsyncConnection, notifications: Sequence[NewNotification], scan_at: datetime
) -> int:
    """Opens them with a pending delivery for each channel; what is open already stays. Returns how many are new."""
    opened = await connection.scalar(
        _OPEN,
        {
            "notification_type": NotificationType.EXPIRING.value,
            "scan_at": scan_at,
            "company_ids": [new.item.company_id for new in notifications],
            "project_ids": [new.item.project_id for new in notifications],
            "ends_at": [new.item.ends_at for new in notifications],
            "thresholds": [new.item.threshold_days for new in notifications],
            "days_left": [new.item.days_left for new in notifications],
            "give_up_at": [new.give_up_at for new in notifications],
            "keys": [new.dedupe_key for new in notifications],
        },
    )
    return int(opened or 0)
