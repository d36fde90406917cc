"""Settles a notification from what its workflow and the database know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Text, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.sending import (
    DeliveryOutcome,
    DeliveryStatus,
    KnownDelivery,
    NotificationStatus,
    Reason,
    SendNotificationResult,
    SendResult,
    has_ended,
)
from db.models import TIMESTAMPTZ
from db.record.rules import IN_ORDER, STATUS_OF_ENDS, always_delivered
from db.record.texts import kept_of
from runtime.cleaning import clean_reply

NO_RESULT = SendResult(DeliveryStatus.FAILED, Reason.NO_RESULT)
LOST_REPLY = "(reconstructed from the workflow: the reply is lost)"

# A payload of 0.3.0 names no delivery, and a restored database may have another id for it: then the channel's first
# delivery is meant.
_RECORD = text(f"""
WITH before AS (
    SELECT d.id, d.channel, d.status, d.reason,
           d.reopened_at IS NOT NULL AND coalesce(n.give_up_at > :at, false) AS reopened
    FROM deliveries d JOIN notifications n ON n.id = d.notification_id
    WHERE d.notification_id = :notification_id ORDER BY d.id FOR UPDATE OF d
), known AS (
    SELECT coalesce((SELECT before.id FROM before WHERE before.id = said.delivery_id AND before.channel = said.channel),
                    (SELECT min(before.id) FROM before WHERE before.channel = said.channel)) AS id,
           said.status, said.reason, said.provider_id, said.provider_reply, said.claim_seq
    FROM jsonb_to_recordset(:known) AS said (
        delivery_id bigint, channel text, status text, reason text, provider_id text, provider_reply text,
        claim_seq integer
    )
), settled AS (
    UPDATE deliveries d
    SET status = CASE
            WHEN known.status = 'accepted' THEN 'accepted'
            WHEN d.possible_duplicate OR (d.status = 'sending' AND d.claim_seq IS DISTINCT FROM known.claim_seq)
                THEN 'unknown'
            WHEN known.id IS NULL THEN :others_status
            ELSE known.status
        END,
        reason = CASE
            WHEN known.status = 'accepted' THEN NULL
            WHEN known.id IS NULL THEN :others_reason
            ELSE known.reason
        END,
        provider_id = coalesce(known.provider_id, d.provider_id),
        provider_reply = coalesce(
            {kept_of("known.provider_reply")}, d.provider_reply,
            CASE WHEN known.status IN ('accepted', 'rejected') THEN :lost_reply END
        ),
        finished_at = coalesce(:ended_at, now()), reopened_at = NULL
    FROM before LEFT JOIN known USING (id)
    WHERE d.id = before.id AND NOT before.reopened
      AND (before.status IN ('pending', 'sending')
           OR (known.status = 'accepted' AND before.status <> 'accepted'
               AND coalesce(before.reason, '') NOT IN ('bounced', 'bounce_unproven')))
    RETURNING d.id, d.status, d.reason
), ends AS (
    SELECT before.id, before.channel, coalesce(settled.status, before.status) AS status,
           CASE WHEN settled.id IS NULL THEN before.reason ELSE settled.reason END AS reason,
           settled.id IS NOT NULL AS ended_now
    FROM before LEFT JOIN settled USING (id)
), told AS (
    UPDATE projects p SET last_notification_sent_at = greatest(p.last_notification_sent_at, coalesce(:ended_at, now()))
    FROM notifications n
    WHERE n.id = :notification_id AND n.finished_at IS NULL AND p.id = n.project_id
      AND EXISTS (SELECT FROM ends WHERE status = 'accepted') AND NOT EXISTS (SELECT FROM before WHERE reopened)
), recorded AS (
    UPDATE notifications
    SET finished_at = CASE
            WHEN NOT EXISTS (SELECT FROM before WHERE reopened) THEN coalesce(finished_at, :ended_at, now())
        END,
        metadata = CASE
            WHEN :ended_at IS NULL THEN metadata
            ELSE metadata || jsonb_build_object('reconstructed_at', now())
        END,
        status = CASE
            WHEN EXISTS (SELECT FROM before WHERE reopened) THEN 'open'
            ELSE (SELECT {STATUS_OF_ENDS} FROM ends)
        END
    WHERE id = :notification_id
    RETURNING status, give_up_at
)
SELECT recorded.status, recorded.give_up_at, d.id AS delivery_id, d.channel, d.status AS delivery_status, d.reason,
       d.ended_now
FROM recorded CROSS JOIN ends d
ORDER BY {IN_ORDER}
""").bindparams(  # noqa: S608 - made of constants
    always_delivered(),
    bindparam("notification_id", type_=BigInteger),
    bindparam("known", type_=JSONB),
    bindparam("others_status", type_=Text),
    bindparam("others_reason", type_=Text),
    bindparam("at", type_=TIMESTAMPTZ),
    bindparam("ended_at", type_=TIMESTAMPTZ),
    bindparam("lost_reply", type_=Text),
)


@dataclass(frozen=True)
class Recorded:
    """What is recorded of a notification now."""

    result: SendNotificationResult
    ended: list[DeliveryOutcome]
    """The deliveries that this call has ended; the others had ended before, or were reopened."""


async def record(
    connection: AsyncConnection,
    notification_id: int,
    known: Sequence[KnownDelivery],
    at: datetime | None = None,
    others: SendResult = NO_RESULT,
    ended_at: datetime | None = None,
) -> Recorded | None:
    """Settles the notification and its deliveries that have not ended. None: it was withdrawn.

    `known` is what the workflow knows. The rows take precedence, but a known acceptance always counts, unless the
    e-mail bounced after it. Deliveries that `known` does not name end as `others`. With `at`, deliveries that an
    operator has reopened stay open, and so does the notification, unless its deadline has passed at that time. With
    `ended_at` the outcome is reconstructed from a workflow that ended then, and is marked so, in the notification's
    metadata and in the replies. May run twice.
    """
    parameters = {
        "notification_id": notification_id,
        "known": [_said_of(each) for each in known],
        "others_status": others.status.value,
        "others_reason": others.reason,
        "at": at,
        "ended_at": ended_at,
        "lost_reply": None if ended_at is None else LOST_REPLY,
    }
    rows = (await connection.execute(_RECORD, parameters)).all()
    if not rows:
        return None
    status = NotificationStatus(rows[0].status)
    outcomes = [
        DeliveryOutcome(
            delivery_id=row.delivery_id,
            channel=row.channel,
            status=DeliveryStatus(row.delivery_status),
            reason=row.reason,
        )
        for row in rows
    ]
    ended = [outcome for outcome, row in zip(outcomes, rows, strict=True) if row.ended_now]
    give_up_at = None if has_ended(status) else rows[0].give_up_at
    return Recorded(SendNotificationResult.of(status, outcomes, give_up_at=give_up_at), ended)


def _said_of(known: KnownDelivery) -> dict[str, Any]:
    evidence = known.result.evidence
    return {
        "delivery_id": known.delivery_id,
        "channel": known.channel,
        "status": known.result.status,
        "reason": known.result.reason,
        "provider_id": clean_reply(evidence.provider_id) if evidence and evidence.provider_id else None,
        "provider_reply": clean_reply(evidence.provider_reply) if evidence else None,
        "claim_seq": known.result.claim_seq,
    }
