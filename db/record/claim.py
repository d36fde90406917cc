"""The life of a delivery under its attempts: claim, mark in flight, release, reject or accept.

An attempt holds its delivery by `claim_seq`. Only the newest claim may send or write a refusal; evidence that
the provider accepted counts whoever brings it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Integer, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.queues import Channel
from contracts.sending import DeliveryStatus


@dataclass(frozen=True)
class Claim:
    """A delivery as one attempt found it, with all that the text needs.

    `obstacle` is None when the attempt may send. Otherwise nothing is to be sent: `status` and `reason` say how
    the delivery stands, which may be the end that an earlier attempt reached.
    """

    delivery_id: int
    claim_seq: int
    status: DeliveryStatus
    reason: str | None
    obstacle: str | None
    in_doubt: bool
    """An earlier attempt was in flight and left no result: a copy may have been handed over."""
    notification_type: str
    dedupe_key: str
    subject: str | None
    message: str | None
    metadata: dict[str, Any]
    recipient: str | None
    ends_at: datetime | None
    days_left: int | None
    """On the company's calendar, at the moment of the claim."""
    company_id: int | None
    company_name: str | None
    locale: str
    timezone: str
    project_name: str | None
    project_slug: str | None
    contents: list[str]
    """Titles of the AR content that ends, or has ended, with the project."""
    content: str | None = None
    """The title of the AR content that the notice is about; None: it is about the project."""
    hold: str | None = None
    """Why it must not be sent now, though it is to be sent: `paused` or `quiet_hours`. Then nothing was claimed."""
    held_until: datetime | None = None
    """When the quiet time is over; None with `paused`: nobody knows."""


# One statement: it locks the delivery, re-reads the item, decides and writes. A delivery found in flight
# (status 'sending') may have been handed over, so that an obstacle ends it as unknown, never as skipped.
_CLAIM = text("""
WITH held AS (
    SELECT d.id, d.status, d.reason, d.possible_duplicate OR doubt.in_flight AS in_doubt,
           n.notification_type, n.dedupe_key, n.subject, n.message, n.metadata, n.item_ends_at AS ends_at,
           (n.item_ends_at AT TIME ZONE coalesce(c.timezone, 'UTC'))::date
             - (now() AT TIME ZONE coalesce(c.timezone, 'UTC'))::date AS days_left,
           n.company_id, c.name AS company_name, coalesce(c.locale, 'en') AS locale,
           coalesce(c.timezone, 'UTC') AS timezone, p.name AS project_name, p.slug AS project_slug,
           recipient.address AS recipient,
           (
               SELECT coalesce(array_agg(a.title ORDER BY a.title, a.id), '{}')
               FROM ar_contents a
               WHERE a.project_id = n.project_id AND n.ar_content_id IS NULL
                 AND CASE WHEN n.notification_type = 'expired' THEN NOT a.is_active AND a.deactivated_at IS NOT NULL
                          ELSE a.is_active END
                 AND (a.expires_at IS NULL
                      OR (a.expires_at AT TIME ZONE c.timezone)::date
                         >= (p.expires_at AT TIME ZONE c.timezone)::date)
           ) AS contents,
           content.title AS content,
           CASE
               WHEN d.status NOT IN ('pending', 'sending') THEN 'settled'
               WHEN n.notification_type IN ('expiring', 'expired')
                    AND (p.company_id <> n.company_id OR content.project_id <> n.project_id) THEN 'moved'
               WHEN n.notification_type = 'expiring' AND item.ends_at IS DISTINCT FROM n.item_ends_at THEN 'renewed'
               WHEN n.notification_type = 'expiring' AND NOT item.is_on THEN 'item_not_active'
               WHEN n.notification_type = 'expiring' AND p.auto_renew AND content.id IS NULL THEN 'auto_renew'
               WHEN n.notification_type = 'expiring' AND EXISTS (
                   SELECT FROM notifications tighter
                   WHERE tighter.project_id = n.project_id AND tighter.notification_type = 'expiring'
                     AND tighter.item_ends_at = n.item_ends_at AND tighter.threshold_days < n.threshold_days
                     AND coalesce(tighter.ar_content_id, 0) = coalesce(n.ar_content_id, 0)
               ) THEN 'superseded'
               WHEN n.notification_type = 'expired' AND (item.is_on OR coalesce(item.ends_at > now(), true))
                   THEN 'renewed'
               WHEN n.notification_type = 'expired' AND p.status = 'archived' THEN 'item_not_active'
               WHEN NOT :configured THEN 'channel_not_configured'
               WHEN NOT coalesce(recipient.enabled, true) THEN 'channel_off'
               WHEN recipient.address IS NULL THEN 'no_address'
               WHEN suppressed.reason = 'unsubscribed' AND n.notification_type <> 'test' THEN 'unsubscribed'
               WHEN suppressed.address IS NOT NULL AND n.notification_type <> 'test' THEN 'suppressed'
               WHEN doubt.in_flight AND NOT :resend_in_doubt THEN 'in_doubt'
           END AS obstacle,
           held_until(n.notification_type, n.give_up_at, c.timezone, c.quiet_from, c.quiet_until) AS held_until
    FROM deliveries d
    JOIN notifications n ON n.id = d.notification_id
    LEFT JOIN companies c ON c.id = n.company_id
    LEFT JOIN projects p ON p.id = n.project_id
    LEFT JOIN ar_contents content ON content.id = n.ar_content_id
    CROSS JOIN LATERAL (
        SELECT CASE WHEN n.ar_content_id IS NULL THEN p.expires_at ELSE content.expires_at END AS ends_at,
               CASE WHEN n.ar_content_id IS NULL THEN p.status = 'active'
                    ELSE p.status = 'active' AND content.is_active END AS is_on
    ) item
    CROSS JOIN LATERAL (
        SELECT CASE WHEN d.channel = 'email' THEN c.email_enabled ELSE c.telegram_enabled END AS enabled,
               coalesce(n.metadata ->> (d.channel || '_recipient'),
                        CASE WHEN d.channel = 'email' THEN c.contact_email
                             ELSE c.telegram_chat_id::text END) AS address
    ) recipient
    CROSS JOIN LATERAL (
        SELECT d.status = 'sending' AND d.claim_seq IS DISTINCT FROM :refused_claim AS in_flight
    ) doubt
    LEFT JOIN suppressions suppressed
           ON suppressed.channel = d.channel AND suppressed.address = lower(recipient.address)
    WHERE d.notification_id = :notification_id AND d.channel = :channel
    FOR UPDATE OF d
), claimed AS (
    UPDATE deliveries d
    SET claim_seq = d.claim_seq + 1, claim_run = :run_id, claim_attempt = :attempt, claimed_at = now(),
        attempts = d.attempts + CASE WHEN held.obstacle IS NULL THEN 1 ELSE 0 END,
        possible_duplicate = CASE WHEN held.obstacle IS NULL THEN held.in_doubt ELSE d.possible_duplicate END,
        reopened_at = NULL,
        recipient = held.recipient,
        status = CASE
            WHEN held.obstacle IS NULL THEN 'pending'
            WHEN held.in_doubt THEN 'unknown'
            ELSE 'skipped'
        END,
        reason = CASE WHEN held.obstacle IS NULL THEN d.reason ELSE held.obstacle END,
        finished_at = CASE WHEN held.obstacle IS NULL THEN NULL ELSE now() END
    FROM held
    WHERE d.id = held.id
      AND CASE WHEN held.obstacle IS NULL THEN held.held_until IS NULL ELSE held.obstacle <> 'settled' END
    RETURNING d.id, d.claim_seq, d.status, d.reason
)
SELECT held.id AS delivery_id, coalesce(claimed.claim_seq, 0) AS claim_seq,
       coalesce(claimed.status, held.status) AS status, coalesce(claimed.reason, held.reason) AS reason,
       held.obstacle, held.in_doubt, held.notification_type, held.dedupe_key, held.subject, held.message,
       held.metadata, held.recipient, held.ends_at, held.days_left, held.company_id, held.company_name,
       held.locale, held.timezone, held.project_name, held.project_slug, held.contents, held.content,
       CASE WHEN held.obstacle IS NOT NULL THEN NULL
            WHEN held.held_until = 'infinity' THEN 'paused'
            WHEN held.held_until IS NOT NULL THEN 'quiet_hours' END AS hold,
       nullif(held.held_until, 'infinity') AS held_until
FROM held LEFT JOIN claimed USING (id)
""").bindparams(
    bindparam("notification_id", type_=BigInteger),
    bindparam("channel", type_=Text),
    bindparam("run_id", type_=Text),
    bindparam("attempt", type_=Integer),
    bindparam("configured", type_=Boolean),
    bindparam("resend_in_doubt", type_=Boolean),
    bindparam("refused_claim", type_=Integer),
)


async def claim_delivery(
    connection: AsyncConnection,
    notification_id: int,
    channel: Channel,
    *,
    run_id: str,
    attempt: int,
    configured: bool,
    resend_in_doubt: bool,
    refused_claim: int | None = None,
) -> Claim | None:
    """Takes the delivery for one attempt. None: there is no such delivery (the notification was withdrawn).

    `refused_claim` is an earlier claim of which the caller knows that the provider took nothing from it, though the
    row does not say so. May run twice: a second claim supersedes the first, which then can no longer send.
    """
    row = (
        (
            await connection.execute(
                _CLAIM,
                {
                    "notification_id": notification_id,
                    "channel": channel.value,
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
    return None if row is None else Claim(**{**row, "status": DeliveryStatus(row["status"])})
