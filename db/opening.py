"""Opening notifications of items in bulk: what a scan warns of, and what was switched off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, Integer, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import NotificationType
from db.models import TIMESTAMPTZ


@dataclass(frozen=True)
class NewNotification:
    """A notification about to be opened. `threshold_days` and `days_left` are a warning's."""

    company_id: int
    project_id: int
    ar_content_id: int | None
    item_ends_at: datetime
    dedupe_key: str
    give_up_at: datetime
    threshold_days: int | None = None
    days_left: int | None = None


_OPEN = text("""
WITH opened AS (
    INSERT INTO notifications (notification_type, company_id, project_id, ar_content_id, item_ends_at, threshold_days,
                               days_left, scan_at, give_up_at, dedupe_key, workflow_id)
    SELECT :notification_type, company_id, project_id, ar_content_id, item_ends_at, threshold_days,
           days_left, :scan_at, give_up_at, dedupe_key, dedupe_key
    FROM unnest(:company_id, :project_id, :ar_content_id, :item_ends_at, :threshold_days, :days_left, :give_up_at,
                :dedupe_key)
         AS new (company_id, project_id, ar_content_id, item_ends_at, threshold_days, days_left, give_up_at,
                 dedupe_key)
    ON CONFLICT (dedupe_key) DO NOTHING
    RETURNING id
), channels AS (
    INSERT INTO deliveries (notification_id, channel)
    SELECT opened.id, channel FROM opened CROSS JOIN unnest(ARRAY['email', 'telegram']) AS channel
)
SELECT count(*) FROM opened
""").bindparams(
    bindparam("notification_type", type_=Text),
    bindparam("scan_at", type_=TIMESTAMPTZ),
    bindparam("company_id", type_=ARRAY(BigInteger)),
    bindparam("project_id", type_=ARRAY(BigInteger)),
    bindparam("ar_content_id", type_=ARRAY(BigInteger)),
    bindparam("item_ends_at", type_=ARRAY(TIMESTAMPTZ)),
    bindparam("threshold_days", type_=ARRAY(Integer)),
    bindparam("days_left", type_=ARRAY(Integer)),
    bindparam("give_up_at", type_=ARRAY(TIMESTAMPTZ)),
    bindparam("dedupe_key", type_=ARRAY(Text)),
)
_COLUMNS = tuple(NewNotification.__dataclass_fields__)


async def open_notifications(
    connection: AsyncConnection,
    notification_type: NotificationType,
    new: Sequence[NewNotification],
    scan_at: datetime | None = None,
) -> int:
    """Opens them with a pending delivery for each channel; what is open already stays. Returns how many are new.

    `scan_at` is the nominal time of the scan that warns. One statement, however many.
    """
    columns = {column: [getattr(each, column) for each in new] for column in _COLUMNS}
    opened = await connection.scalar(
        _OPEN, {"notification_type": notification_type.value, "scan_at": scan_at, **columns}
    )
    return int(opened or 0)
