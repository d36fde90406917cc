"""What an attempt does to the delivery that it has claimed: marks it in flight, releases, rejects or accepts it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, Integer, Text, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.sending import DeliveryStatus
from db.items.rules import ENDS_AT_OF_ITS_ITEM
from db.record.claim import Claim
from db.record.open import own_recipient
from db.record.texts import kept_of

# This reads the item again: a claim that had to wait for its row's lock may have read an old version.
_MARK_SENDING = text(f"""
UPDATE deliveries
SET status = 'sending', sending_at = now(), subject = :subject, body = :body, body_html = :body_html,
    provider_id = coalesce(:provider_id, provider_id)
WHERE id = :delivery_id AND claim_seq = :claim_seq AND status = 'pending'
  AND NOT EXISTS (
      SELECT FROM notifications n
      JOIN projects p ON p.id = n.project_id
      LEFT JOIN ar_contents a ON a.id = n.ar_content_id
      WHERE n.id = deliveries.notification_id AND n.notification_type = 'expiring'
        AND ({ENDS_AT_OF_ITS_ITEM}) IS DISTINCT FROM n.item_ends_at
  )
""").bindparams(  # noqa: S608 - made of constants
    bindparam("subject", type_=Text),
    bindparam("body", type_=Text),
    bindparam("body_html", type_=Text),
    bindparam("provider_id", type_=Text),
)


@dataclass(frozen=True)
class SentText:
    """The text that is about to be sent. `provider_id` is set if the sender chooses it (Message-ID)."""

    subject: str | None
    body: str
    body_html: str | None = None
    provider_id: str | None = None


async def mark_sending(connection: AsyncConnection, claim: Claim, sent: SentText) -> bool:
    """Marks the delivery in flight. Call it just before the irrevocable step. Returns False if nothing may be sent,
    because there is a newer claim or the item has another end by now."""
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


MOST_KEPT = 50
"""Refused attempts of a delivery whose answers are kept: the first ones. The last answer has a column of its own."""

_RELEASE = text(f"""
UPDATE deliveries d SET status = 'pending', reason = :reason, provider_reply = {kept_of(":reply")},
    earlier_attempts = CASE
        WHEN jsonb_array_length(earlier_attempts) >= :most_kept THEN earlier_attempts
        WHEN jsonb_array_length(earlier_attempts) < :most_kept THEN earlier_attempts || jsonb_build_array(
            jsonb_build_object('attempt', attempts, 'at', claimed_at, 'reason', :reason, 'reply', {kept_of(":reply")})
        )
    END
WHERE id = :delivery_id AND claim_seq = :claim_seq AND status IN ('pending', 'sending')
""").bindparams(  # noqa: S608 - made of constants
    bindparam("reason", type_=Text), bindparam("reply", type_=Text), bindparam("most_kept", MOST_KEPT, type_=Integer)
)


async def release(connection: AsyncConnection, claim: Claim, reason: str, reply: str | None) -> None:
    """Makes the delivery pending again. Call it if this claim handed nothing over and another attempt is worthwhile."""
    await connection.execute(
        _RELEASE,
        {"delivery_id": claim.delivery_id, "claim_seq": claim.claim_seq, "reason": reason, "reply": reply},
    )


# If an earlier attempt may have handed the message over, a refusal leaves the outcome unknown.
_REJECT = text(f"""
UPDATE deliveries d
SET status = CASE WHEN possible_duplicate THEN 'unknown' ELSE 'rejected' END, reason = :reason,
    provider_reply = coalesce({kept_of(":reply")}, provider_reply), finished_at = now()
WHERE id = :delivery_id AND claim_seq = :claim_seq AND status IN ('pending', 'sending')
RETURNING status
""").bindparams(bindparam("reason", type_=Text), bindparam("reply", type_=Text))  # noqa: S608 - made of constants


async def reject(connection: AsyncConnection, claim: Claim, reason: str, reply: str | None) -> DeliveryStatus | None:
    """Ends the delivery as refused for good, or as in doubt if it was so before. Returns its status. None: a superseded
    claim changes nothing."""
    status = await connection.scalar(
        _REJECT,
        {"delivery_id": claim.delivery_id, "claim_seq": claim.claim_seq, "reason": reason, "reply": reply},
    )
    return None if status is None else DeliveryStatus(status)


_ACCEPT = text(f"""
WITH before AS (
    SELECT id, notification_id, status, claim_seq FROM deliveries WHERE id = :delivery_id FOR UPDATE
)
UPDATE deliveries d
SET status = 'accepted', reason = NULL, reopened_at = NULL,
    possible_duplicate = d.possible_duplicate OR before.status = 'accepted' OR before.claim_seq <> :claim_seq,
    provider_id = coalesce(:provider_id, d.provider_id), provider_reply = {kept_of(":reply")},
    finished_at = CASE WHEN before.status = 'accepted' THEN d.finished_at ELSE now() END
FROM before
WHERE d.id = before.id
RETURNING before.notification_id, before.status <> 'sending' OR before.claim_seq <> :claim_seq AS late,
          before.status <> 'accepted' AS ended
""").bindparams(bindparam("provider_id", type_=Text), bindparam("reply", type_=Text))  # noqa: S608 - made of constants

# A separate statement, because only a new snapshot sees an outcome that was recorded while _ACCEPT waited for the row.
_DELIVER_AFTER_ALL = text("""
WITH delivered AS (
    UPDATE notifications SET status = 'delivered'
    WHERE id = :notification_id AND status IN ('undelivered', 'in_doubt')
    RETURNING project_id
)
UPDATE projects p SET last_notification_sent_at = now() FROM delivered WHERE p.id = delivered.project_id
""").bindparams(bindparam("notification_id", type_=BigInteger))


async def accept(connection: AsyncConnection, claim: Claim, provider_id: str | None, reply: str) -> bool:
    """Records that the provider took the message. Works for a superseded claim too: a late acceptance overrides what
    was settled meanwhile. Returns False if an acceptance was recorded before, or the delivery is gone."""
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
    return accepted is not None and bool(accepted.ended)


# Several companies may have the address, or the notification itself. A contact whose company already has the new
# address is disabled: otherwise its deliveries would move for ever, and the company would be told twice.
_MOVE = text("""
WITH contacts_moved AS (
    UPDATE contacts contact
    SET address = CASE WHEN known.elsewhere THEN contact.address ELSE :new_address END,
        address_key = CASE WHEN known.elsewhere THEN contact.address_key ELSE :new_key END,
        enabled = contact.enabled AND NOT known.elsewhere
    FROM contacts old
    CROSS JOIN LATERAL (
        SELECT EXISTS (
            SELECT FROM contacts other
            WHERE other.company_id = old.company_id AND other.channel = old.channel AND other.address_key = :new_key
              AND other.id <> old.id
        ) AS elsewhere
    ) known
    WHERE contact.id = old.id AND old.channel = :channel AND old.address_key = :old_key
      AND contact.address_key = :old_key
)
UPDATE notifications
SET metadata = (metadata - (:channel || '_recipient_key')) || :own_recipient
WHERE id = (SELECT notification_id FROM deliveries WHERE id = :delivery_id)
  AND metadata ->> (:channel || '_recipient') = :old_address
""").bindparams(
    bindparam("channel", type_=Text),
    bindparam("new_address", type_=Text),
    bindparam("new_key", type_=Text),
    bindparam("old_address", type_=Text),
    bindparam("old_key", type_=Text),
    bindparam("own_recipient", type_=JSONB),
    bindparam("delivery_id", type_=BigInteger),
)


async def move_recipient(connection: AsyncConnection, claim: Claim, new_address: str, new_key: str) -> None:
    """Saves the address that replaces the claim's recipient, unless the old one was changed meanwhile."""
    await connection.execute(
        _MOVE,
        {
            "channel": claim.channel,
            "new_address": new_address,
            "new_key": new_key,
            "old_address": claim.recipient,
            "old_key": claim.recipient_key,
            "own_recipient": own_recipient(claim.channel, new_address, new_key),
            "delivery_id": claim.delivery_id,
        },
    )
