"""What is due: find it, open a notification for each, hand over what has no workflow yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, Integer, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import Channel, Fairness, NotificationType, PageCursor, StartableNotification
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


_MARK_STARTED = text(
    "UPDATE notifications SET started_at = now() WHERE id = ANY(:ids) AND started_at IS NULL"
).bindparams(bindparam("ids", type_=ARRAY(BigInteger)))


async def mark_started(connection: AsyncConnection, notification_ids: Sequence[int]) -> None:
    """Writes down that these have a workflow. May run twice."""
    await connection.execute(_MARK_STARTED, {"ids": list(notification_ids)})


# Interleaves the companies: first everybody's most urgent, then everybody's second. A row counts as in flight
# until one of its channels has been attempted; what waits for a retry holds nobody back.
_STARTABLE = text("""
WITH in_flight AS (
    SELECT coalesce(n.company_id, 0) AS company, count(*) AS rows
    FROM notifications n
    WHERE n.status = 'open' AND n.started_at IS NOT NULL
      AND NOT EXISTS (
          SELECT FROM deliveries d
          WHERE d.notification_id = n.id AND (d.claim_seq > 0 OR d.status = 'accepted')
      )
    GROUP BY 1
), companies_waiting AS (
    SELECT coalesce(company_id, 0) AS company, count(*) AS rows
    FROM notifications WHERE status = 'open' AND started_at IS NULL
    GROUP BY 1
), urgent AS (
    SELECT next.*, row_number() OVER (PARTITION BY w.company ORDER BY next.give_up_at, next.id) AS turn
    FROM companies_waiting w
    LEFT JOIN in_flight f USING (company)
    CROSS JOIN LATERAL (
        SELECT n.id, n.notification_type, n.workflow_id, n.give_up_at, n.company_id, n.project_id, n.days_left,
               n.recovered_at, n.metadata
        FROM notifications n
        WHERE n.status = 'open' AND n.started_at IS NULL AND coalesce(n.company_id, 0) = w.company
        ORDER BY n.give_up_at, n.id
        LIMIT greatest(0, least(:limit, :per_company - coalesce(f.rows, 0)))
    ) next
)
SELECT urgent.id AS notification_id, notification_type, workflow_id, give_up_at, company_id, project_id, days_left,
       recovered_at IS NOT NULL AS recovered,
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
_WAITING = text("SELECT EXISTS (SELECT FROM notifications WHERE status = 'open' AND started_at IS NULL)")


async def find_startable(
    connection: AsyncConnection,
    limit: int,
    in_all: int,
    per_company: int,
    chat_fairness: Callable[[str | None], Fairness],
) -> tuple[list[StartableNotification], int]:
    """Open notifications without a workflow, as many as there is room for, and how many more stand behind them.

    `chat_fairness` tells a chat's share of the limits.
    """
    rows = (
        (await connection.execute(_STARTABLE, {"limit": limit, "in_all": in_all, "per_company": per_company}))
        .mappings()
        .all()
    )
    if not rows:
        return [], int(bool(await connection.scalar(_WAITING)))
    startable = [
        StartableNotification(
            **{name: value for name, value in row.items() if name not in ("waiting", "chat", "recovered", "reopened")},
            again=row["recovered"] or bool(row["reopened"]),
            reopened=[Channel(channel) for channel in row["reopened"]],
            telegram_fairness=chat_fairness(row["chat"]),
        )
        for row in rows
    ]
    return startable, rows[0]["waiting"] - len(startable)
