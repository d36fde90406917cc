"""How a notification ended: the record, written from what the workflow and the rows know."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Integer, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.sending import DeliveryStatus, NotificationStatus, SendNotificationResult, SendResult
from db.models import TIMESTAMPTZ

_RECORD = text("""
WITH known (channel, status, reason, provider_id, provider_reply, claim_seq) AS (
    VALUES ('email', :email_status, :email_reason, :email_id, :email_reply, :email_claim),
           ('telegram', :telegram_status, :telegram_reason, :telegram_id, :telegram_reply, :telegram_claim)
), before AS (
    SELECT d.id, d.channel, d.status, d.reason,
           d.reopened_at IS NOT NULL AND coalesce(n.give_up_at > :at, false) AS reopened
    FROM deliveries d JOIN notifications n ON n.id = d.notification_id
    WHERE d.notification_id = :notification_id ORDER BY d.id FOR UPDATE OF d
), settled AS (
    UPDATE deliveries d
    SET status = CASE
            WHEN known.status = 'accepted' THEN 'accepted'
            WHEN d.possible_duplicate OR (d.status = 'sending' AND d.claim_seq IS DISTINCT FROM known.claim_seq)
                THEN 'unknown'
            ELSE known.status
        END,
        reason = CASE WHEN known.status = 'accepted' THEN NULL ELSE known.reason END,
        provider_id = coalesce(known.provider_id, d.provider_id),
        provider_reply = coalesce(known.provider_reply, d.provider_reply),
        finished_at = now(), reopened_at = NULL
    FROM before JOIN known USING (channel)
    WHERE d.id = before.id AND NOT before.reopened
      AND (before.status IN ('pending', 'sending')
           OR (known.status = 'accepted' AND before.status <> 'accepted' AND before.reason IS DISTINCT FROM 'bounced'))
    RETURNING d.id, d.status, d.reason
), ends AS (
    SELECT before.channel, coalesce(settled.status, before.status) AS status,
           CASE WHEN settled.id IS NULL THEN before.reason ELSE settled.reason END AS reason
    FROM before LEFT JOIN settled USING (id)
), told AS (
    UPDATE projects p SET last_notification_sent_at = now()
    FROM notifications n
    WHERE n.id = :notification_id AND n.finished_at IS NULL AND p.id = n.project_id
      AND EXISTS (SELECT FROM ends WHERE status = 'accepted') AND NOT EXISTS (SELECT FROM before WHERE reopened)
), recorded AS (
    UPDATE notifications
    SET finished_at = CASE
            WHEN NOT EXISTS (SELECT FROM before WHERE reopened) THEN coalesce(finished_at, now())
        END,
        status = CASE
            WHEN EXISTS (SELECT FROM before WHERE reopened) THEN 'open'
            WHEN EXISTS (SELECT FROM ends WHERE status = 'accepted') THEN 'delivered'
            WHEN EXISTS (SELECT FROM ends WHERE status = 'unknown') THEN 'in_doubt'
            ELSE 'undelivered'
        END
    WHERE id = :notification_id
    RETURNING status, give_up_at
)
SELECT recorded.status, recorded.give_up_at, email.status AS email, telegram.status AS telegram,
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
    bindparam("at", type_=TIMESTAMPTZ),
    bindparam("email_claim", type_=Integer),
    bindparam("telegram_claim", type_=Integer),
)


async def record(
    connection: AsyncConnection,
    notification_id: int,
    email: SendResult,
    telegram: SendResult,
    at: datetime | None = None,
) -> SendNotificationResult | None:
    """Settles what attempts left without a result, and the notification. None: it was withdrawn.

    `email` and `telegram` say what the workflow knows; the rows go before, except that a known acceptance always
    counts, unless the mail came back after it. What an operator has reopened is left and the notification stays open,
    if it is not pointless `at` that time; without it nothing is left. May run twice.
    """
    parameters: dict[str, Any] = {"notification_id": notification_id, "at": at}
    for channel, known in (("email", email), ("telegram", telegram)):
        parameters |= {
            f"{channel}_status": known.status.value,
            f"{channel}_reason": known.reason,
            f"{channel}_id": known.evidence.provider_id if known.evidence else None,
            f"{channel}_reply": known.evidence.provider_reply if known.evidence else None,
            f"{channel}_claim": known.claim_seq,
        }
    row = (await connection.execute(_RECORD, parameters)).mappings().one_or_none()
    if row is None:
        return None
    status = NotificationStatus(row["status"])
    return SendNotificationResult(
        status,
        DeliveryStatus(row["email"]),
        DeliveryStatus(row["telegram"]),
        row["email_reason"],
        row["telegram_reason"],
        row["give_up_at"] if status is NotificationStatus.OPEN else None,
    )
