"""What a bounce changes: a mail that the server had taken did not arrive."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import ARRAY, BigInteger, Boolean, Text, bindparam, text
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from channels.email.bounce_reports import Bounce, FailedRecipient
from contracts.sending import DeliveryStatus, Reason
from db.models import TIMESTAMPTZ
from db.operators import suppressions

WHERE_IT_COUNTS = (DeliveryStatus.ACCEPTED, DeliveryStatus.UNKNOWN)
UNDER_WAY = (DeliveryStatus.PENDING, DeliveryStatus.SENDING)


class Result(StrEnum):
    """What came of a bounce."""

    BOUNCED = "bounced"
    UNCHANGED = "unchanged"
    """The record does not need it: it knows already, or is about a later copy."""
    UNDER_WAY = "under_way"
    """The answer that the server took the mail is not in the record yet: to be done again later."""
    UNMATCHED = "unmatched"
    """No mail of ours is meant, as far as the record knows."""


# The key is unique and indexed; the Message-ID that begins with it is not.
_FIND = text("""
SELECT n.id
FROM notifications n JOIN deliveries d ON d.notification_id = n.id AND d.channel = 'email'
WHERE (n.dedupe_key = :key AND d.provider_id = :message_id)
   OR (n.id = :notification_id AND lower(d.recipient) = ANY(:addresses))
ORDER BY n.dedupe_key = :key DESC NULLS LAST
LIMIT 1
""").bindparams(
    bindparam("key", type_=Text),
    bindparam("message_id", type_=Text),
    bindparam("notification_id", type_=BigInteger),
    bindparam("addresses", type_=ARRAY(Text)),
)

# Both channels, since their ends make the notification's; in one order, as the record takes them. A copy is written
# after its claim: one that is older than the last claim is not the last copy. Clocks may differ by minutes.
_LOCK = text("""
SELECT id, channel, status, reason, lower(recipient) AS recipient,
       coalesce(:written_at < claimed_at - interval '5 minutes', false) AS earlier_copy
FROM deliveries WHERE notification_id = :notification_id
ORDER BY channel
FOR UPDATE
""").bindparams(bindparam("notification_id", type_=BigInteger), bindparam("written_at", type_=TIMESTAMPTZ))

# Of a mail that may have gone out twice, one copy may have arrived, unless there is nobody there at all.
_MARK = text("""
WITH bounced AS (
    UPDATE deliveries
    SET status = CASE WHEN possible_duplicate AND NOT :gone THEN 'unknown' ELSE 'rejected' END,
        reason = :reason, provider_reply = :reply, finished_at = now()
    WHERE id = :delivery_id
    RETURNING notification_id, id, status
), ends AS (
    SELECT d.notification_id, CASE WHEN d.id = bounced.id THEN bounced.status ELSE d.status END AS status
    FROM deliveries d JOIN bounced USING (notification_id)
)
UPDATE notifications n
SET status = CASE
    WHEN EXISTS (SELECT FROM ends WHERE status = 'accepted') THEN 'delivered'
    WHEN EXISTS (SELECT FROM ends WHERE status = 'unknown') THEN 'in_doubt'
    ELSE 'undelivered'
END
FROM bounced WHERE n.id = bounced.notification_id AND n.status <> 'open'
""").bindparams(
    bindparam("delivery_id", type_=BigInteger),
    bindparam("gone", type_=Boolean),
    bindparam("reason", type_=Text),
    bindparam("reply", type_=Text),
)


async def apply_bounce(connection: AsyncConnection, bounce: Bounce) -> Result:
    """Marks the delivery and its notification, and switches off an address that is gone. One transaction; may run
    twice."""
    notification_id = await _find(connection, bounce)
    if notification_id is None:
        return Result.UNMATCHED
    rows = await connection.execute(_LOCK, {"notification_id": notification_id, "written_at": bounce.written_at})
    email = next(row for row in rows.mappings() if row["channel"] == "email")
    if not email["earlier_copy"] and email["status"] in UNDER_WAY:
        return Result.UNDER_WAY
    if not _counts(email):
        return Result.UNCHANGED
    failure = _failure_of(bounce, email["recipient"])
    await connection.execute(
        _MARK,
        {"delivery_id": email["id"], "gone": failure.gone, "reason": Reason.BOUNCED.value, "reply": failure.reply},
    )
    if failure.gone and email["recipient"] in failure.addresses:
        await suppressions.suppress(connection, email["id"], email["recipient"], Reason.BOUNCED, failure.reply)
    return Result.BOUNCED


async def _find(connection: AsyncConnection, bounce: Bounce) -> int | None:
    """By the Message-ID; by our own header only if the recipient agrees, since its number is easy to guess."""
    key = bounce.message_id.removeprefix("<").rpartition("@")[0] if bounce.message_id else None
    found: int | None = await connection.scalar(
        _FIND,
        {
            "key": key,
            "message_id": bounce.message_id,
            "notification_id": bounce.notification_id,
            "addresses": sorted({address for failure in bounce.failed for address in failure.addresses}),
        },
    )
    return found


def _counts(email: RowMapping) -> bool:
    """Not for what an operator knows to have arrived, nor twice."""
    known = email["reason"] in (Reason.CONFIRMED, Reason.BOUNCED)
    return email["status"] in WHERE_IT_COUNTS and not email["earlier_copy"] and not known


def _failure_of(bounce: Bounce, recipient: str | None) -> FailedRecipient:
    """The one about the recipient; a server behind theirs may know them by another name."""
    return next((failure for failure in bounce.failed if recipient in failure.addresses), bounce.failed[0])
