"""Compares what PostgreSQL and the stand-ins recorded with what is expected."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.sending import DeliveryStatus, is_in_doubt

COLUMNS = ["item", "type", "channel", "status"]

_LEDGER = text("""
SELECT coalesce(a.slug, p.slug, n.metadata ->> 'problem', n.notification_type) AS item, n.notification_type AS type,
       d.channel, d.status,
       n.id AS notification_id, n.workflow_id, d.reason, d.provider_reply, d.provider_id, d.attempts,
       d.possible_duplicate, c.name AS company, n.days_left
FROM notifications n
JOIN deliveries d ON d.notification_id = n.id
LEFT JOIN projects p ON p.id = n.project_id
LEFT JOIN ar_contents a ON a.id = n.ar_content_id
LEFT JOIN companies c ON c.id = n.company_id
ORDER BY n.item_ends_at NULLS LAST, n.id, d.channel
""")


@dataclass(frozen=True)
class LedgerRow:
    """One delivery as PostgreSQL records it."""

    item: str
    """The slug of the notification's item, an alert's problem, or `test`."""
    type: str
    channel: str
    status: DeliveryStatus
    notification_id: int
    workflow_id: str
    reason: str | None
    provider_reply: str | None
    provider_id: str | None
    attempts: int
    possible_duplicate: bool
    company: str | None
    days_left: int | None


async def read_ledger(engine: AsyncEngine) -> list[LedgerRow]:
    """Read every delivery, ordered by the items' ends."""
    async with engine.connect() as connection:
        rows = (await connection.execute(_LEDGER)).mappings()
        return [LedgerRow(**{**row, "status": DeliveryStatus(row["status"])}) for row in rows]


def read_received(path: Path) -> list[dict[str, object]]:
    """Read what the stand-ins accepted, one entry per message."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def against_expected(ledger: Sequence[LedgerRow], expected_file: Path) -> list[str]:
    """Return a line for each row that differs between the ledger and the file written by hand.

    Tests and alerts, which go to operators, are compared only if the file has rows of their type.
    """
    with expected_file.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        if reader.fieldnames != COLUMNS:
            return [f"{expected_file}:1: the columns must be {','.join(COLUMNS)}"]
        expected = Counter((row["item"], row["type"], row["channel"], row["status"]) for row in reader)
    types = {"expiring", "expired"} | {kind for _, kind, _, _ in expected}
    actual: Counter[tuple[str, str, str, str]] = Counter(
        (row.item, row.type, row.channel, row.status) for row in ledger if row.type in types
    )
    return [f"missing: {','.join(row)}" for row in (expected - actual).elements()] + [
        f"not expected: {','.join(row)}" for row in (actual - expected).elements()
    ]


def against_received(ledger: Sequence[LedgerRow], received: Sequence[dict[str, object]]) -> list[str]:
    """Return a line for each delivery that the stand-ins did not receive as the ledger says.

    Accepted means received once, unknown at most once, and every other status never.
    """
    mails = Counter(entry["message_id"] for entry in received if entry["channel"] == "email")
    messages = Counter(str(entry["message_id"]) for entry in received if entry["channel"] == "telegram")
    differences = []
    for row in ledger:
        seen = (mails if row.channel == "email" else messages).pop(row.provider_id or "", 0)
        if not _agrees(row.status, seen):
            differences.append(f"{row.item},{row.type},{row.channel}: {row.status}, but received {seen} times")
    unknown = sum(is_in_doubt(row.status) for row in ledger)
    unaccounted = mails.total() + messages.total()
    if unaccounted > unknown:
        differences.append(f"{unaccounted} messages were received that the ledger does not account for")
    return differences


def _agrees(status: DeliveryStatus, received: int) -> bool:
    match status:
        case DeliveryStatus.UNKNOWN:  # counted together, by the caller
            return True
        case DeliveryStatus.ACCEPTED:
            return received == 1
        case (
            DeliveryStatus.PENDING
            | DeliveryStatus.SENDING
            | DeliveryStatus.REJECTED
            | DeliveryStatus.FAILED
            | DeliveryStatus.SKIPPED
        ):
            return received == 0
        case _:
            assert_never(status)


def summary(new: int, ledger: Sequence[LedgerRow]) -> str:
    """The counts in the demo's last line."""
    counts = Counter(row.status for row in ledger)
    ends = (
        DeliveryStatus.ACCEPTED,
        DeliveryStatus.SKIPPED,
        DeliveryStatus.REJECTED,
        DeliveryStatus.FAILED,
        DeliveryStatus.UNKNOWN,
    )
    return " ".join([f"new={new}", *(f"{end}={counts[end]}" for end in ends)])
