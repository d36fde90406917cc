"""Claims a delivery for one attempt.

`claim_seq` identifies a claim. Only the newest claim may send or record a refusal. Evidence that the provider accepted
the message counts from any claim.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Boolean, Integer, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.keys import NotificationType, goes_to_suppressed
from contracts.sending import DeliveryStatus, Reason
from db.clocks import LocalTime, local_time
from db.items.rules import ENDS_AT_OF_ITS_ITEM, ENDS_ON_ITS_PROJECTS_LAST_DAY
from db.record.rules import ABOUT_AN_ITEM, RECIPIENT, SUPPRESSED


@dataclass(frozen=True)
class Claim:
    """A delivery as one attempt found it, with everything that the text needs.

    If `obstacle` is None, the attempt may send. Otherwise it must not: `status` and `reason` are those of the delivery,
    which an earlier attempt may have ended.
    """

    delivery_id: int
    notification_id: int
    channel: str
    contact_id: int | None
    claim_seq: int
    status: DeliveryStatus
    reason: str | None
    obstacle: str | None
    in_doubt: bool
    """An earlier attempt was in flight and left no result: it may have handed over a copy."""
    notification_type: NotificationType
    dedupe_key: str
    subject: str | None
    message: str | None
    metadata: dict[str, Any]
    recipient: str | None
    recipient_key: str | None
    """The recipient as the channel normalises it; None without a recipient."""
    ends: LocalTime | None
    """The end, on the company's clock."""
    days_left: int | None
    """Days from the claim to the day that people name for the end, on the company's calendar."""
    company_id: int | None
    company_name: str | None
    locale: str
    timezone: str
    """The name of the company's time zone, for the text. All that depends on its rules is in `ends`."""
    project_name: str | None
    project_slug: str | None
    contents: list[str]
    """Titles of the AR content that ends, or has ended, with the project."""
    content: str | None = None
    """The title of the AR content that the notification is about; None: it is about the project."""
    content_slug: str | None = None
    hold: Reason | None = None
    """Why the notification is held: `paused` or `quiet_hours`. Then nothing was claimed."""
    held_until: datetime | None = None
    """When the quiet hours are over. None while sending is paused: its end is not known."""
    opened_at: datetime | None = None
    """When the notification was opened."""


ALREADY_SETTLED = "settled"
"""The obstacle of a delivery that had ended before."""

# One statement: it locks the delivery, reads the item again, decides and writes. A delivery found in flight (status
# 'sending') may have been handed over, so an obstacle ends it as unknown, never as skipped.
_CLAIM = text(f"""
WITH locked AS (
    SELECT d.id, d.notification_id, d.channel, d.contact_id, d.status, d.reason,
           d.possible_duplicate OR doubt.in_flight AS in_doubt,
           n.notification_type, n.dedupe_key, n.subject, n.message, n.metadata, n.created_at AS opened_at,
           ends.clock AS ends_clock, ends.utc_offset AS ends_utc_offset, ends.is_summer AS ends_is_summer,
           ends.day AS ends_day, ends.day - (now() AT TIME ZONE coalesce(c.timezone, 'UTC'))::date AS days_left,
           n.company_id, c.name AS company_name, coalesce(c.locale, n.metadata ->> 'locale', 'en') AS locale,
           coalesce(c.timezone, 'UTC') AS timezone, p.name AS project_name, p.slug AS project_slug,
           recipient.address AS recipient, recipient.key AS recipient_key,
           (
               SELECT coalesce(array_agg(a.title ORDER BY a.title, a.id), ARRAY[]::text[])
               FROM ar_contents a
               WHERE a.project_id = n.project_id AND n.ar_content_id IS NULL
                 AND CASE n.notification_type
                         WHEN 'expiring' THEN a.is_active
                         WHEN 'expired' THEN NOT a.is_active AND a.deactivated_at IS NOT NULL
                     END
                 AND (a.expires_at IS NULL OR {ENDS_ON_ITS_PROJECTS_LAST_DAY})
           ) AS contents,
           a.title AS content, a.slug AS content_slug,
           CASE
               WHEN d.status NOT IN ('pending', 'sending') THEN 'settled'
               WHEN {ABOUT_AN_ITEM}
                    AND (p.company_id <> n.company_id OR a.project_id <> n.project_id) THEN 'moved'
               WHEN n.notification_type = 'expiring' AND item.ends_at IS DISTINCT FROM n.item_ends_at THEN 'renewed'
               WHEN n.notification_type = 'expiring' AND NOT item.is_active THEN 'item_not_active'
               WHEN n.notification_type = 'expiring' AND p.auto_renew AND n.ar_content_id IS NULL THEN 'auto_renew'
               WHEN n.notification_type = 'expiring' AND EXISTS (
                   SELECT FROM notifications tighter
                   WHERE tighter.project_id = n.project_id AND tighter.notification_type = 'expiring'
                     AND tighter.item_ends_at = n.item_ends_at AND tighter.threshold_days < n.threshold_days
                     AND coalesce(tighter.ar_content_id, 0) = coalesce(n.ar_content_id, 0)
               ) THEN 'superseded'
               WHEN n.notification_type = 'expired' AND (item.is_active OR coalesce(item.ends_at > now(), true))
                   THEN 'renewed'
               WHEN n.notification_type = 'expired' AND p.status = 'archived' THEN 'item_not_active'
               WHEN NOT :configured THEN 'channel_not_configured'
               WHEN NOT recipient.enabled THEN 'channel_off'
               WHEN recipient.address IS NULL THEN 'no_address'
               WHEN suppressed.reason = 'unsubscribed' AND n.notification_type <> ALL(:go_to_suppressed)
                   THEN 'unsubscribed'
               WHEN suppressed.address IS NOT NULL AND n.notification_type <> ALL(:go_to_suppressed) THEN 'suppressed'
               WHEN doubt.in_flight AND NOT :resend_in_doubt THEN 'in_doubt'
           END AS obstacle,
           held_until(n.notification_type, n.give_up_at, c.timezone, c.quiet_from, c.quiet_until) AS held_until
    FROM deliveries d
    JOIN notifications n ON n.id = d.notification_id
    LEFT JOIN companies c ON c.id = n.company_id
    LEFT JOIN projects p ON p.id = n.project_id
    LEFT JOIN ar_contents a ON a.id = n.ar_content_id
    CROSS JOIN LATERAL (
        SELECT {ENDS_AT_OF_ITS_ITEM} AS ends_at,
               p.status = 'active' AND (n.ar_content_id IS NULL OR a.is_active) AS is_active
    ) item
    {RECIPIENT}
    {SUPPRESSED}
    CROSS JOIN LATERAL {local_time("n.item_ends_at", "coalesce(c.timezone, 'UTC')")} ends
    CROSS JOIN LATERAL (
        SELECT d.status = 'sending' AND d.claim_seq IS DISTINCT FROM :refused_claim AS in_flight
    ) doubt
    WHERE d.notification_id = :notification_id AND d.channel = :channel
      AND (:delivery_id IS NULL OR d.id = :delivery_id)
    ORDER BY d.id
    LIMIT 1
    FOR UPDATE OF d
), claimed AS (
    UPDATE deliveries d
    SET claim_seq = d.claim_seq + 1, claim_run = :run_id, claim_attempt = :attempt, claimed_at = now(),
        attempts = d.attempts + CASE WHEN locked.obstacle IS NULL THEN 1 ELSE 0 END,
        possible_duplicate = CASE WHEN locked.obstacle IS NULL THEN locked.in_doubt ELSE d.possible_duplicate END,
        reopened_at = NULL,
        recipient = locked.recipient,
        status = CASE
            WHEN locked.obstacle IS NULL THEN 'pending'
            WHEN locked.in_doubt THEN 'unknown'
            WHEN NOT locked.in_doubt THEN 'skipped'
        END,
        reason = CASE WHEN locked.obstacle IS NULL THEN d.reason ELSE locked.obstacle END,
        finished_at = CASE WHEN locked.obstacle IS NULL THEN NULL ELSE now() END
    FROM locked
    WHERE d.id = locked.id
      AND CASE WHEN locked.obstacle IS NULL THEN locked.held_until IS NULL ELSE locked.obstacle <> 'settled' END
    RETURNING d.id, d.claim_seq, d.status, d.reason
)
SELECT locked.id AS delivery_id, locked.notification_id, locked.channel, locked.contact_id,
       coalesce(claimed.claim_seq, 0) AS claim_seq,
       coalesce(claimed.status, locked.status) AS status, coalesce(claimed.reason, locked.reason) AS reason,
       locked.obstacle, locked.in_doubt, locked.notification_type, locked.dedupe_key, locked.subject, locked.message,
       locked.metadata, locked.recipient, locked.recipient_key, locked.ends_clock,
       locked.ends_utc_offset, locked.ends_is_summer, locked.ends_day, locked.days_left, locked.company_id,
       locked.company_name, locked.locale, locked.timezone, locked.project_name, locked.project_slug, locked.contents,
       locked.content, locked.content_slug,
       CASE WHEN locked.obstacle IS NOT NULL THEN NULL
            WHEN locked.held_until = 'infinity' THEN 'paused'
            WHEN locked.held_until IS NOT NULL THEN 'quiet_hours' END AS hold,
       nullif(locked.held_until, 'infinity') AS held_until, locked.opened_at
FROM locked LEFT JOIN claimed USING (id)
""").bindparams(  # noqa: S608 - made of constants
    bindparam("notification_id", type_=BigInteger),
    bindparam("delivery_id", type_=BigInteger),
    bindparam("channel", type_=Text),
    bindparam("run_id", type_=Text),
    bindparam("attempt", type_=Integer),
    bindparam("configured", type_=Boolean),
    bindparam("resend_in_doubt", type_=Boolean),
    bindparam("refused_claim", type_=Integer),
    bindparam(
        "go_to_suppressed",
        [each.value for each in NotificationType if goes_to_suppressed(each)],
        type_=ARRAY(Text),
    ),
)


_ENDS = "ends_"
"""Begins the names of the columns with the end's `LocalTime`."""


async def claim_delivery(
    connection: AsyncConnection,
    notification_id: int,
    channel: str,
    *,
    delivery_id: int | None,
    run_id: str,
    attempt: int,
    configured: bool,
    resend_in_doubt: bool,
    refused_claim: int | None = None,
) -> Claim | None:
    """Claims the delivery for one attempt. None: there is no such delivery (the notification was withdrawn).

    Without `delivery_id` it claims the notification's first delivery on the channel. `refused_claim` is an earlier
    claim that certainly handed nothing over, although the row does not say so. May run twice: a second claim supersedes
    the first, which can then no longer send.
    """
    row = (
        (
            await connection.execute(
                _CLAIM,
                {
                    "notification_id": notification_id,
                    "channel": channel,
                    "delivery_id": delivery_id,
                    "run_id": run_id,
                    "attempt": attempt,
                    "configured": configured,
                    "resend_in_doubt": resend_in_doubt,
                    "refused_claim": refused_claim,
                },
            )
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        return None
    columns = {name: value for name, value in row.items() if not name.startswith(_ENDS)}
    ends = {name.removeprefix(_ENDS): value for name, value in row.items() if name.startswith(_ENDS)}
    parsed = {
        "ends": None if ends["clock"] is None else LocalTime(**ends),
        "status": DeliveryStatus(row["status"]),
        "notification_type": NotificationType(row["notification_type"]),
        "hold": None if row["hold"] is None else Reason(row["hold"]),
    }
    return Claim(**columns | parsed)
