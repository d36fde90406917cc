"""What came of a fault, from both ends: what the receiving server saw, and what the record says of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import pytest

from contracts.sending import DeliveryStatus
from tests.support.scene import Scene

PROPERTY = "fault"
"""Where a test's report carries its observations to whoever prints them."""

ENDED = frozenset(DeliveryStatus) - {DeliveryStatus.PENDING, DeliveryStatus.SENDING}
"""Of a delivery that nobody tries any more."""


@dataclass(frozen=True)
class Observed:
    """One channel's notices under one fault."""

    fault: str
    channel: str
    moment: str
    outcome: str
    """The deliveries' status and how many have it."""
    notices: int
    copies: int
    """That the receiving server took, in all."""
    lost: int
    """Recorded as accepted and never seen by the server, or left without an end."""
    unmarked_doubles: int
    """Seen more than once and not marked as possible duplicates."""
    in_doubt: int
    seconds: float


class Ledger:
    """Observes the scene at the end of a test."""

    def __init__(self, node: pytest.Item) -> None:
        self._node = node
        self._since = time.monotonic()

    async def observe(self, scene: Scene, fault: str, channel: str, moment: str) -> Observed:
        """Writes down how the notices of the channel ended, and counts what was lost, doubled or left in doubt."""
        deliveries = [
            row
            for row in await scene.platform.rows(
                "SELECT d.*, n.notification_type FROM deliveries d JOIN notifications n ON n.id = d.notification_id"
            )
            if row["channel"] == channel and row["notification_type"] != "alert"
        ]
        seen = self._seen(scene, channel)
        copies = {row["notification_id"]: self._copies(seen, row, len(deliveries)) for row in deliveries}
        statuses = Counter(row["status"] for row in deliveries)
        observed = Observed(
            fault,
            channel,
            moment,
            outcome=next(iter(statuses))
            if len(deliveries) == 1
            else ", ".join(f"{count} {status}" for status, count in sorted(statuses.items())),
            notices=len(deliveries),
            copies=sum(copies.values()),
            lost=sum(
                row["status"] not in ENDED or (row["status"] == "accepted" and not copies[row["notification_id"]])
                for row in deliveries
            ),
            unmarked_doubles=sum(
                copies[row["notification_id"]] > 1 and not row["possible_duplicate"] for row in deliveries
            ),
            in_doubt=statuses["unknown"],
            seconds=time.monotonic() - self._since,
        )
        self._node.user_properties.append((PROPERTY, asdict(observed)))
        return observed

    @staticmethod
    def _seen(scene: Scene, channel: str) -> Counter[str]:
        """How often the server took each notice: a mail bears its id, a Telegram message is known by its text."""
        if channel == "email":
            return Counter(str(mail.notification_id) for mail in scene.sink.messages)
        return Counter(message.text for message in scene.telegram.messages)

    @staticmethod
    def _copies(seen: Counter[str], row: dict[str, Any], notices: int) -> int:
        if row["channel"] == "email":
            return seen[str(row["notification_id"])]
        # Without a text no attempt has come so far as to send; a single notice's text may have changed meanwhile.
        return seen.total() if notices == 1 else seen[row["body"] or ""]


def rows(reports: Iterable[Any]) -> list[Observed]:
    """All that the tests of a run have observed."""
    return [
        Observed(**value)
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == PROPERTY and report.when == "call"
    ]
