"""Applies a bounce to the record: an e-mail that the server had taken did not arrive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, assert_never

from sqlalchemy import ARRAY, BigInteger, Boolean, Text, bindparam, text
from sqlalchemy.engine import Row, RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.sending import DeliveryStatus, Reason
from db.models import TIMESTAMPTZ
from db.operators import suppressions
from db.record.rules import STATUS_OF_ENDS
from db.record.texts import IS_ERASED, kept_of
from runtime.cleaning import clean_reply


@dataclass(frozen=True)
class FailedRecipient:
    """A recipient that the e-mail did not reach."""

    addresses: frozenset[str]
    """The addresses in the report, in lower case: the original one, and the one it was forwarded to."""
    reply: str
    """Status and diagnostic code, such as `5.1.1 smtp; 550 5.1.1 no such user`."""
    gone: bool
    """There is no such mailbox: other e-mails to it will bounce too."""


@dataclass(frozen=True)
class Bounce:
    """A report of at least one failure, with what it says about the e-mail."""

    failed: tuple[FailedRecipient, ...]
    message_id: str | None
    notification_id: int | None
    written_at: datetime | None
    """The e-mail's date."""
    sent_to: tuple[str, ...] = ()
    """The addresses that the report itself was sent to. One may have a tag that proves it."""


@dataclass(frozen=True)
class Complaint:
    """A recipient's provider says that the e-mail was marked as spam."""

    reply: str
    message_id: str | None
    notification_id: int | None
    sent_to: tuple[str, ...] = ()
    """The addresses that the complaint was sent to, and the e-mail's own envelope sender as it quotes it."""


@dataclass(frozen=True)
class Proof:
    """A tag that says which delivery the report is about."""

    delivery_id: int
    is_for: Callable[[str], bool]
    """Whether we made the tag for this delivery and this recipient."""


class Result(StrEnum):
    """The result of applying a bounce."""

    BOUNCED = "bounced"
    UNPROVEN = "unproven"
    """The bounce is in the record, but no tag proves it: no address is suppressed."""
    COMPLAINED = "complained"
    UNCHANGED = "unchanged"
    """The bounce changes nothing: the record already knows it, or is about a later copy."""
    UNDER_WAY = "under_way"
    """The record does not know yet that the server took the e-mail: apply the bounce again later."""
    UNMATCHED = "unmatched"
    """The record has no such e-mail."""


# The key is unique and indexed. The Message-ID, which begins with it, is not.
_FIND = text("""
SELECT d.notification_id, d.id AS delivery_id
FROM notifications n JOIN deliveries d ON d.notification_id = n.id AND d.channel = :channel
WHERE (n.dedupe_key = :key AND d.provider_id = :message_id)
   OR (n.id = :notification_id AND lower(d.recipient) = ANY(:addresses))
ORDER BY n.dedupe_key = :key DESC NULLS LAST, lower(d.recipient) = ANY(:addresses) DESC NULLS LAST, d.id
LIMIT 1
""").bindparams(
    bindparam("channel", type_=Text),
    bindparam("key", type_=Text),
    bindparam("message_id", type_=Text),
    bindparam("notification_id", type_=BigInteger),
    bindparam("addresses", type_=ARRAY(Text)),
)

# Once the recipient is removed, it is known while its contact has the same address: the tag is for that address only.
_FIND_BY_ID = text("""
SELECT d.notification_id, d.id AS delivery_id, coalesce(d.recipient, contact.address) AS recipient
FROM deliveries d LEFT JOIN contacts contact ON contact.id = d.contact_id
WHERE d.id = :delivery_id AND d.channel = :channel AND coalesce(d.recipient, contact.address) IS NOT NULL
""").bindparams(bindparam("delivery_id", type_=BigInteger), bindparam("channel", type_=Text))

# This locks all deliveries, because the notification's status depends on all of them, and in the same order as the
# record. A copy is written after its claim, so one older than the last claim is not the last copy. Clocks may differ by
# minutes.
_LOCK = text("""
SELECT id, status, reason, lower(recipient) AS recipient,
       coalesce(:written_at < claimed_at - interval '5 minutes', false) AS earlier_copy
FROM deliveries WHERE notification_id = :notification_id
ORDER BY id
FOR UPDATE
""").bindparams(bindparam("notification_id", type_=BigInteger), bindparam("written_at", type_=TIMESTAMPTZ))

# If the e-mail may have gone out twice, one copy may have arrived, unless there is no such mailbox. The report's words
# are a text to be removed, even if those of the notification were removed before. Of an erased company no words come.
_MARK = text(f"""
WITH bounced AS (
    UPDATE deliveries d
    SET status = CASE WHEN possible_duplicate AND NOT :gone THEN 'unknown' ELSE 'rejected' END,
        reason = :reason, provider_reply = {kept_of(":reply")}, finished_at = now()
    WHERE id = :delivery_id
    RETURNING notification_id, id, status, {IS_ERASED} AS is_erased
), ends AS (
    SELECT d.notification_id, CASE WHEN d.id = bounced.id THEN bounced.status ELSE d.status END AS status
    FROM deliveries d JOIN bounced USING (notification_id)
)
UPDATE notifications n
SET status = (SELECT {STATUS_OF_ENDS} FROM ends),
    texts_removed_at = CASE WHEN bounced.is_erased THEN n.texts_removed_at END
FROM bounced WHERE n.id = bounced.notification_id AND n.status <> 'open'
""").bindparams(  # noqa: S608 - made of constants
    bindparam("delivery_id", type_=BigInteger),
    bindparam("gone", type_=Boolean),
    bindparam("reason", type_=Text),
    bindparam("reply", type_=Text),
)


async def apply_bounce(
    connection: AsyncConnection, bounce: Bounce, channel: str, proofs: Sequence[Proof] = ()
) -> Result:
    """Updates the delivery and its notification. Suppresses an address that is gone, if one of the `proofs` holds.
    `channel` is e-mail's name. Needs a transaction. May run twice."""
    proven = await _find_proven(connection, proofs, channel)
    found = proven if proven is not None else await _find(connection, bounce, channel)
    if found is None:
        return Result.UNMATCHED
    rows = await connection.execute(_LOCK, {"notification_id": found.notification_id, "written_at": bounce.written_at})
    email = next((row for row in rows.mappings() if row["id"] == found.delivery_id), None)
    if email is None:  # it was withdrawn at this moment
        return Result.UNMATCHED
    reason = Reason.BOUNCED if proven is not None else Reason.BOUNCE_UNPROVEN
    if (without_effect := _without_effect(email, reason)) is not None:
        return without_effect
    failure = _failure_of(bounce, email["recipient"])
    gone = failure.gone and proven is not None
    reply = clean_reply(failure.reply)
    await connection.execute(_MARK, {"delivery_id": email["id"], "gone": gone, "reason": reason.value, "reply": reply})
    if gone and email["recipient"] in failure.addresses:
        await suppressions.suppress(connection, email["id"], email["recipient"], Reason.BOUNCED, reply)
    return Result.BOUNCED if proven is not None else Result.UNPROVEN


async def apply_complaint(
    connection: AsyncConnection, complaint: Complaint, channel: str, proofs: Sequence[Proof]
) -> Result:
    """Suppresses the recipient, if one of the `proofs` holds. The e-mail arrived, so its delivery stays as it is.
    Needs a transaction. May run twice."""
    proven = await _find_proven(connection, proofs, channel)
    if proven is None:
        return Result.UNMATCHED
    await suppressions.suppress(
        connection, proven.delivery_id, proven.recipient.lower(), Reason.COMPLAINED, clean_reply(complaint.reply)
    )
    return Result.COMPLAINED


async def _find_proven(connection: AsyncConnection, proofs: Sequence[Proof], channel: str) -> Row[Any] | None:
    """Finds the delivery whose tag the report has."""
    for proof in proofs:
        row = (
            await connection.execute(_FIND_BY_ID, {"delivery_id": proof.delivery_id, "channel": channel})
        ).one_or_none()
        if row is not None and proof.is_for(row.recipient):
            return row
    return None


async def _find(connection: AsyncConnection, bounce: Bounce, channel: str) -> Row[Any] | None:
    """Finds the delivery by the Message-ID. Uses our own header only if the recipient matches, because its number is
    easy to guess."""
    key = bounce.message_id.removeprefix("<").rpartition("@")[0] if bounce.message_id else None
    parameters = {
        "channel": channel,
        "key": key,
        "message_id": bounce.message_id,
        "notification_id": bounce.notification_id,
        "addresses": sorted({address for failure in bounce.failed for address in failure.addresses}),
    }
    return (await connection.execute(_FIND, parameters)).one_or_none()


def _without_effect(email: RowMapping, reason: Reason) -> Result | None:
    """Returns the result of a bounce that changes nothing. None: it counts, as a proven one does after an unproven."""
    if email["earlier_copy"]:
        return Result.UNCHANGED
    if email["reason"] == Reason.BOUNCE_UNPROVEN:
        return None if reason is Reason.BOUNCED else Result.UNCHANGED
    status = DeliveryStatus(email["status"])
    match status:
        case DeliveryStatus.PENDING | DeliveryStatus.SENDING:
            return Result.UNDER_WAY
        case DeliveryStatus.ACCEPTED | DeliveryStatus.UNKNOWN:
            # Not for what an operator knows to have arrived, nor twice.
            return Result.UNCHANGED if email["reason"] in (Reason.CONFIRMED, Reason.BOUNCED) else None
        case DeliveryStatus.REJECTED | DeliveryStatus.FAILED | DeliveryStatus.SKIPPED:
            return Result.UNCHANGED
        case _:
            assert_never(status)


def _failure_of(bounce: Bounce, recipient: str | None) -> FailedRecipient:
    """Returns the failure of the recipient, else the first: a server behind theirs may use another address."""
    return next((failure for failure in bounce.failed if recipient in failure.addresses), bounce.failed[0])
