"""The life of a delivery: claim, mark in flight, release or settle, and the notification's end.

An attempt holds its delivery by `claim_seq`. Only the newest claim may send or write a refusal; evidence that
the provider accepted counts whoever brings it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Integer, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import Channel, DeliveryStatus, NotificationStatus, SendNotificationResult, SendResult


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
    """Titles of the active AR content that ends with the project."""


# One statement: it locks the delivery, re-reads the item, decides and writes. A delivery found in flight
# (status 'sending') may have been handed over, so that an obstacle ends it as unknown, never as skipped.
_CLAIM = text("""
WITH held AS (
    SELECT d.id, d.status, d.reason, d.possible_duplicate OR d.status = 'sending' AS in_doubt,
           n.notification_type, n.dedupe_key, n.subject, n.message, n.metadata, n.item_ends_at AS ends_at,
           (n.item_ends_at AT TIME ZONE coalesce(c.timezone, 'UTC'))::date
             - (now() AT TIME ZONE coalesce(c.timezone, 'UTC'))::date AS days_left,
           n.company_id, c.name AS company_name, coalesce(c.locale, 'en') AS locale,
           coalesce(c.timezone, 'UTC') AS timezone, p.name AS project_name, p.slug AS project_slug,
           recipient.address AS recipient,
           (
               SELECT coalesce(array_agg(a.title ORDER BY a.title, a.id), '{}')
               FROM ar_contents a
               WHERE a.project_id = n.project_id AND n.ar_content_id IS NULL AND a.is_active
                 AND (a.expires_at IS NULL
                      OR (a.expires_at AT TIME ZONE c.timezone)::date
                         = (p.expires_at AT TIME ZONE c.timezone)::date)
           ) AS contents,
           CASE
               WHEN d.status NOT IN ('pending', 'sending') THEN 'settled'
               WHEN n.notification_type = 'expiring' AND p.expires_at <> n.item_ends_at THEN 'renewed'
               WHEN n.notification_type = 'expiring' AND p.status <> 'active' THEN 'item_not_active'
               WHEN n.notification_type = 'expiring' AND p.auto_renew THEN 'auto_renew'
               WHEN NOT :configured THEN 'channel_not_configured'
               WHEN NOT coalesce(recipient.enabled, true) THEN 'channel_off'
               WHEN recipient.address IS NULL THEN 'no_address'
               WHEN d.status = 'sending' AND NOT :resend_in_doubt THEN 'in_doubt'
           END AS obstacle
    FROM deliveries d
    JOIN notifications n ON n.id = d.notification_id
    LEFT JOIN companies c ON c.id = n.company_id
    LEFT JOIN projects p ON p.id = n.project_id
    CROSS JOIN LATERAL (
        SELECT CASE WHEN d.channel = 'email' THEN c.email_enabled ELSE c.telegram_enabled END AS enabled,
               coalesce(n.metadata ->> (d.channel || '_recipient'),
                        CASE WHEN d.channel = 'email' THEN c.contact_email
                             ELSE c.telegram_chat_id::text END) AS address
    ) recipient
    WHERE d.notification_id = :notification_id AND d.channel = :channel
    FOR UPDATE OF d
), claimed AS (
    UPDATE deliveries d
    SET claim_seq = d.claim_seq + 1, claim_run = :run_id, claim_attempt = :attempt, claimed_at = now(),
        attempts = d.attempts + CASE WHEN held.obstacle IS NULL THEN 1 ELSE 0 END,
        possible_duplicate = held.in_doubt,
        recipient = held.recipient,
        status = CASE
            WHEN held.obstacle IS NULL THEN 'pending'
            WHEN held.in_doubt THEN 'unknown'
            ELSE 'skipped'
        END,
        reason = CASE WHEN held.obstacle IS NULL THEN d.reason ELSE held.obstacle END,
        finished_at = CASE WHEN held.obstacle IS NULL THEN NULL ELSE now() END
    FROM held
    WHERE d.id = held.id AND held.obstacle IS DISTINCT FROM 'settled'
    RETURNING d.id, d.claim_seq, d.status, d.reason
)
SELECT held.id AS delivery_id, coalesce(claimed.claim_seq, 0) AS claim_seq,
       coalesce(claimed.status, held.status) AS status, coalesce(claimed.reason, held.reason) AS reason,
       held.obstacle, held.in_doubt, held.notification_type, held.dedupe_key, held.subject, held.message,
       held.metadata, held.recipient, held.ends_at, held.days_left, held.company_id, held.company_name,
       held.locale, held.timezone, held.project_name, held.project_slug, held.contents
FROM held LEFT JOIN claimed USING (id)
""").bindparams(
    bindparam("notification_id", type_=BigInteger),
    bindparam("channel", type_=Text),
    bindparam("run_id", type_=Text),
    bindparam("attempt", type_=Integer),
    bindparam("configured", type_=Boolean),
    bindparam("resend_in_doubt", type_=Boolean),
)


async def claim(
    connection: AsyncConnection,
    notification_id: int,
    channel: Channel,
    *,
    run_id: str,
    attempt: int,
    configured: bool,
    resend_in_doubt: bool,
) -> Claim | None:
    """Takes the delivery for one attempt. None: there is no such delivery (the notification was withdrawn).

    May run twice: a second claim supersedes the first, which then can no longer send.
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
                },
            )
        )
        .mappings()
        .one_or_none()
    )
    return None if row is None else Claim(**{**row, "status": DeliveryStatus(row["status"])})


_MARK_SENDING = text("""
UPDATE deliveries
SET status = 'sending', sending_at = now(), subject = :subject, body = :body, body_html = :body_html,
    provider_id = coalesce(:provider_id, provider_id)
WHERE id = :delivery_id AND claim_seq = :claim_seq AND status = 'pending'
""").bindparams(
    bindparam("subject", type_=Text),
    bindparam("body", type_=Text),
    bindparam("body_html", type_=Text),
    bindparam("provider_id", type_=Text),
)


@dataclass(frozen=True)
class SentText:
    """The text as it is about to be sent; `provider_id` where the sender chooses it (Message-ID)."""

    subject: str | None
    body: str
    body_html: str | None = None
    provider_id: str | None = None


async def mark_sending(connection: AsyncConnection, claim: Claim, sent: SentText) -> bool:
    """To be called just before the irrevocable step. False: a newer claim exists, nothing may be sent."""
    result = await connection.execute(
        _MARK_SENDING,
        {
            "delivery_id": claim.delivery_id,
            "claim_seq": claim.claim_seq,
            "subject": sent.subject,
            "body": sent.body,
            "body_html": sent.body_html,
            "provider_id": sent.provider_id,
        },
    )
    return result.rowcount == 1


_RELEASE = text("""
UPDATE deliveries SET status = 'pending', reason = :reason, provider_reply = :reply
WHERE id = :delivery_id AND claim_seq = :claim_seq AND status IN ('pending', 'sending')
""").bindparams(bindparam("reason", type_=Text), bindparam("reply", type_=Text))


async def release(connection: AsyncConnection, claim: Claim, reason: str, reply: str | None) -> None:
    """After a known non-delivery that is worth another attempt: nothing was handed over by this claim."""
    await connection.execute(
        _RELEASE,
        {"delivery_id": claim.delivery_id, "claim_seq": claim.claim_seq, "reason": reason, "reply": reply},
    )


# A refusal cannot take back what an earlier attempt may have handed over: then the end is unknown.
_SETTLE = text("""
UPDATE deliveries
SET status = CASE WHEN possible_duplicate THEN 'unknown' ELSE :status END, reason = :reason,
    provider_reply = coalesce(:reply, provider_reply), finished_at = now()
WHERE id = :delivery_id AND claim_seq = :claim_seq AND status IN ('pending', 'sending')
RETURNING status
""").bindparams(bindparam("status", type_=Text), bindparam("reason", type_=Text), bindparam("reply", type_=Text))


async def settle(
    connection: AsyncConnection, claim: Claim, status: DeliveryStatus, reason: str, reply: str | None
) -> DeliveryStatus:
    """Ends the delivery without acceptance. Returns how it ended; a superseded claim changes nothing."""
    ended = await connection.scalar(
        _SETTLE,
        {
            "delivery_id": claim.delivery_id,
            "claim_seq": claim.claim_seq,
            "status": status.value,
            "reason": reason,
            "reply": reply,
        },
    )
    return DeliveryStatus(ended) if ended else status


_ACCEPT = text("""
WITH before AS (
    SELECT id, notification_id, status, claim_seq FROM deliveries WHERE id = :delivery_id FOR UPDATE
)
UPDATE deliveries d
SET status = 'accepted', reason = NULL,
    possible_duplicate = d.possible_duplicate OR before.status = 'accepted' OR before.claim_seq <> :claim_seq,
    provider_id = coalesce(:provider_id, d.provider_id), provider_reply = :reply,
    finished_at = CASE WHEN before.status = 'accepted' THEN d.finished_at ELSE now() END
FROM before
WHERE d.id = before.id
RETURNING before.notification_id, before.status <> 'sending' OR before.claim_seq <> :claim_seq AS late
""").bindparams(bindparam("provider_id", type_=Text), bindparam("reply", type_=Text))

# A statement of its own: only a new snapshot sees a record that was written while _ACCEPT waited for the row.
_DELIVER_AFTER_ALL = text("""
UPDATE notifications SET status = 'delivered' WHERE id = :notification_id AND status IN ('undelivered', 'in_doubt')
""").bindparams(bindparam("notification_id", type_=BigInteger))


async def accept(connection: AsyncConnection, claim: Claim, provider_id: str | None, reply: str) -> None:
    """Writes that the provider took it. Not fenced: a late answer overrides what was settled in its absence."""
    accepted = (
        await connection.execute(
            _ACCEPT,
            {
                "delivery_id": claim.delivery_id,
                "claim_seq": claim.claim_seq,
                "provider_id": provider_id,
                "reply": reply,
            },
        )
    ).one_or_none()
    if accepted is not None and accepted.late:
        await connection.execute(_DELIVER_AFTER_ALL, {"notification_id": accepted.notification_id})


_RECORD = text("""
WITH known (channel, status, reason, provider_id, provider_reply) AS (
    VALUES ('email', :email_status, :email_reason, :email_id, :email_reply),
           ('telegram', :telegram_status, :telegram_reason, :telegram_id, :telegram_reply)
), before AS (
    SELECT d.id, d.channel, d.status, d.reason FROM deliveries d
    WHERE d.notification_id = :notification_id FOR UPDATE
), settled AS (
    UPDATE deliveries d
    SET status = CASE
            WHEN known.status = 'accepted' THEN 'accepted'
            WHEN d.status = 'sending' OR d.possible_duplicate THEN 'unknown'
            ELSE 'failed'
        END,
        reason = CASE WHEN known.status = 'accepted' THEN NULL ELSE known.reason END,
        provider_id = coalesce(known.provider_id, d.provider_id),
        provider_reply = coalesce(known.provider_reply, d.provider_reply),
        finished_at = now()
    FROM before JOIN known USING (channel)
    WHERE d.id = before.id
      AND (before.status IN ('pending', 'sending') OR (known.status = 'accepted' AND before.status <> 'accepted'))
    RETURNING d.id, d.status, d.reason
), ends AS (
    SELECT before.channel, coalesce(settled.status, before.status) AS status,
           CASE WHEN settled.id IS NULL THEN before.reason ELSE settled.reason END AS reason
    FROM before LEFT JOIN settled USING (id)
), told AS (
    UPDATE projects p SET last_notification_sent_at = now()
    FROM notifications n
    WHERE n.id = :notification_id AND n.finished_at IS NULL AND p.id = n.project_id
      AND EXISTS (SELECT FROM ends WHERE status = 'accepted')
), recorded AS (
    UPDATE notifications
    SET finished_at = coalesce(finished_at, now()),
        status = CASE
            WHEN EXISTS (SELECT FROM ends WHERE status = 'accepted') THEN 'delivered'
            WHEN EXISTS (SELECT FROM ends WHERE status = 'unknown') THEN 'in_doubt'
            ELSE 'undelivered'
        END
    WHERE id = :notification_id
    RETURNING status
)
SELECT recorded.status, email.status AS email, telegram.status AS telegram,
       email.reason AS email_reason, telegram.reason AS telegram_reason
FROM recorded
JOIN ends email ON email.channel = 'email'
JOIN ends telegram ON telegram.channel = 'telegram'
""").bindparams(
    bindparam("notification_id", type_=BigInteger),
    *(
        bindparam(f"{channel}_{column}", type_=Text)
        for channel in ("email", "telegram")
        for column in ("status", "reason", "id", "reply")
    ),
)


async def record(
    connection: AsyncConnection, notification_id: int, email: SendResult, telegram: SendResult
) -> SendNotificationResult | None:
    """Settles what attempts left without a result, and the notification. None: it was withdrawn.

    `email` and `telegram` say what the workflow knows; the rows go before, except that a known acceptance always
    counts. May run twice.
    """
    parameters: dict[str, Any] = {"notification_id": notification_id}
    for channel, known in (("email", email), ("telegram", telegram)):
        parameters |= {
            f"{channel}_status": known.status.value,
            f"{channel}_reason": known.reason,
            f"{channel}_id": known.evidence.provider_id if known.evidence else None,
            f"{channel}_reply": known.evidence.provider_reply if known.evidence else None,
        }
    row = (await connection.execute(_RECORD, parameters)).mappings().one_or_none()
    if row is None:
        return None
    return SendNotificationResult(
        NotificationStatus(row["status"]),
        DeliveryStatus(row["email"]),
        DeliveryStatus(row["telegram"]),
        row["email_reason"],
        row["telegram_reason"],
    )


_MOVE_CHAT = text("""
UPDATE companies SET telegram_chat_id = :new_chat_id
WHERE id = :company_id AND telegram_chat_id::text = :old
""").bindparams(bindparam("new_chat_id", type_=BigInteger), bindparam("company_id", type_=BigInteger))


async def move_chat(connection: AsyncConnection, claim: Claim, new_chat_id: int) -> None:
    """Saves the id a group got when it became a supergroup, unless somebody has changed it meanwhile."""
    await connection.execute(
        _MOVE_CHAT, {"new_chat_id": new_chat_id, "company_id": claim.company_id, "old": claim.recipient}
    )
