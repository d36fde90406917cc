"""Finds open notifications without a workflow, in turns and as many as there is room for, and marks them started."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import ARRAY, BigInteger, bindparam, text
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.keys import NotificationType
from contracts.scanning import StartableNotification, TakeStartableResult
from contracts.sending import ALWAYS_DELIVERED, DeliveryToSend, Fairness
from db.record.rules import DELIVERIES, OpenedDelivery, always_delivered, opened_deliveries

_MARK_STARTED = text(
    "UPDATE notifications SET started_at = now() WHERE id = ANY(:ids) AND started_at IS NULL"
).bindparams(bindparam("ids", type_=ARRAY(BigInteger)))


async def mark_started(connection: AsyncConnection, notification_ids: Sequence[int]) -> None:
    """Records that these notifications have a workflow. May run twice."""
    await connection.execute(_MARK_STARTED, {"ids": list(notification_ids)})


# Interleaves the companies: first each company's most urgent notification, then each one's second. A notification
# counts as in flight until one of its deliveries was attempted, so one that waits for a retry blocks no other. Held
# notifications do not count, even if their workflow was started before.
_STARTABLE = text(f"""
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
SELECT n.id AS notification_id, n.notification_type, n.workflow_id, n.give_up_at, n.company_id, n.project_id,
       n.ar_content_id, n.days_left, n.recovered_at IS NOT NULL AS recovered, {DELIVERIES} AS deliveries,
       company.slug AS company_slug, project.slug AS project_slug, content.slug AS content_slug,
       (SELECT sum(rows) FROM companies_waiting)::bigint AS waiting
FROM urgent n
LEFT JOIN companies company ON company.id = n.company_id
LEFT JOIN projects project ON project.id = n.project_id
LEFT JOIN ar_contents content ON content.id = n.ar_content_id
ORDER BY n.turn, n.give_up_at, n.id
LIMIT greatest(0, least(:limit, :in_all - (SELECT coalesce(sum(rows), 0) FROM in_flight)))
""").bindparams(  # noqa: S608 - made of constants
    always_delivered(),
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


ToSend = Callable[[NotificationType, int | None, Sequence[OpenedDelivery]], list[DeliveryToSend]]
"""From a notification's type, its company's id and its deliveries to what its workflow sends."""


async def find_startable(
    connection: AsyncConnection, limit: int, in_all: int, per_company: int, to_send: ToSend
) -> TakeStartableResult:
    """Returns open notifications without a workflow, as many as there is room for, and how many more are waiting.

    They list all their deliveries, ended ones too: a claim says that a delivery has ended. `next_start_at` is set only
    if the list is empty.
    """
    rows = (
        (await connection.execute(_STARTABLE, {"limit": limit, "in_all": in_all, "per_company": per_company}))
        .mappings()
        .all()
    )
    if not rows:
        waiting = (await connection.execute(_WAITING)).one()
        return TakeStartableResult([], int(waiting.for_room), waiting.next_start_at)
    startable = [_startable(row, to_send) for row in rows]
    return TakeStartableResult(startable, rows[0]["waiting"] - len(startable))


def _startable(row: RowMapping, to_send: ToSend) -> StartableNotification:
    reopened = [each for each in row["deliveries"] if each["reopened"]]
    notification_type = NotificationType(row["notification_type"])
    deliveries = to_send(notification_type, row["company_id"], opened_deliveries(row["deliveries"]))
    return StartableNotification(
        notification_id=row["notification_id"],
        notification_type=notification_type,
        workflow_id=row["workflow_id"],
        give_up_at=row["give_up_at"],
        company_id=row["company_id"],
        project_id=row["project_id"],
        ar_content_id=row["ar_content_id"],
        days_left=row["days_left"],
        again=row["recovered"] or bool(reopened),
        telegram_fairness=_fairness_of_telegram(deliveries),
        reopened=list(dict.fromkeys(each["channel"] for each in reopened if each["channel"] in ALWAYS_DELIVERED)),
        deliveries=deliveries,
        reopened_deliveries=[each["delivery_id"] for each in reopened],
        company_slug=row["company_slug"],
        project_slug=row["project_slug"],
        content_slug=row["content_slug"],
    )


def _fairness_of_telegram(deliveries: Sequence[DeliveryToSend]) -> Fairness:
    """Returns Telegram's fairness, for payloads of 0.3.0."""
    _, telegram = ALWAYS_DELIVERED
    return next((each.fairness for each in deliveries if each.channel == telegram), Fairness())
