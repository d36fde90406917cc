"""Skips what is still open about an item's former end."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ARRAY, BigInteger, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.sending import Reason
from db.record.rules import STATUS_OF_ENDS

# An attempt that has claimed a delivery can no longer mark it as in flight, since it is not pending any more. A
# delivery that may have been handed over before ends as unknown, as it would at the next claim.
_SKIP = text("""
UPDATE deliveries
SET status = CASE WHEN possible_duplicate THEN 'unknown' ELSE 'skipped' END, reason = :reason,
    finished_at = now(), reopened_at = NULL
WHERE notification_id = ANY(:notification_ids) AND status = 'pending'
""").bindparams(bindparam("notification_ids", type_=ARRAY(BigInteger)), bindparam("reason", type_=Text))

# A notification with a workflow is settled by the workflow.
_SETTLE = text(f"""
WITH ended AS (
    SELECT notification_id, {STATUS_OF_ENDS} AS status
    FROM deliveries ends
    WHERE notification_id = ANY(:notification_ids)
    GROUP BY notification_id
    HAVING bool_and(status NOT IN ('pending', 'sending'))
)
UPDATE notifications n SET status = ended.status, finished_at = now()
FROM ended WHERE n.id = ended.notification_id AND n.status = 'open' AND n.started_at IS NULL
""").bindparams(  # noqa: S608 - made of constants
    bindparam("notification_ids", type_=ARRAY(BigInteger))
)


async def skip_renewed(connection: AsyncConnection, notification_ids: Sequence[int]) -> int:
    """Skips the deliveries of these notifications that have not ended and are not in flight. Returns how many.

    Needs a transaction that has locked them.
    """
    skipped = await connection.execute(_SKIP, {"notification_ids": notification_ids, "reason": Reason.RENEWED})
    await connection.execute(_SETTLE, {"notification_ids": notification_ids})
    return skipped.rowcount
