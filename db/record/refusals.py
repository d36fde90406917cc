"""Notes permanent refusals, so that those of several recipients can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import BigInteger, Interval, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.record.claim import Claim
from db.record.texts import IS_ERASED

MOST = 100
"""Recipients that are compared."""

_NOTE = text(f"""
WITH mine AS (
    UPDATE deliveries d SET refusal = CASE WHEN NOT {IS_ERASED} THEN :refusal END, refused_at = now()
    WHERE id = :delivery_id AND claim_seq = :claim_seq
    RETURNING channel, recipient
)
SELECT DISTINCT other.recipient
FROM deliveries other, mine
WHERE other.channel = mine.channel AND md5(other.refusal) = md5(:refusal) AND other.refusal IS NOT NULL
  AND other.refused_at > now() - :within
  AND other.recipient <> mine.recipient
LIMIT :most
""").bindparams(  # noqa: S608 - made of constants
    bindparam("refusal", type_=Text),
    bindparam("delivery_id", type_=BigInteger),
    bindparam("within", type_=Interval),
    bindparam("most", MOST, type_=BigInteger),
)


async def note(connection: AsyncConnection, claim: Claim, refusal: str, within: timedelta) -> Sequence[str]:
    """Notes that the claimed delivery was refused with this text, which names no recipient. Returns the channel's other
    recipients that were refused alike within this time, at most `MOST`. May run twice."""
    noted = {"refusal": refusal, "delivery_id": claim.delivery_id, "claim_seq": claim.claim_seq, "within": within}
    return (await connection.execute(_NOTE, noted)).scalars().all()
