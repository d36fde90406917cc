"""The metrics: the page about them, and the classes of reasons."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.metrics import ALL, Attempted
from activities.reason_classes import ReasonClass, reason_class
from contracts.keys import NotificationType
from contracts.sending import DeliveryStatus, Reason
from db.record.waiting import Cause

PAGE = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text(encoding="utf-8")


def test_the_page_lists_every_metric_as_the_code_has_it() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `expiry_")]
    assert rows == [
        f"| `{each.name}` | {each.kind} | {', '.join(f'`{label}`' for label in each.labels)} | {each.meaning} |"
        for each in ALL
    ]


def test_the_page_explains_every_label_and_its_values() -> None:
    _, _, labels = PAGE.partition("| Label | Values |")
    explained = labels.partition("\n\n")[0]
    for name in {label for each in ALL for label in each.labels}:
        assert f"`{name}`" in explained
    for value in (*Attempted, *Cause, *ReasonClass, *NotificationType):
        assert f"`{value}`" in explained


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (DeliveryStatus.ACCEPTED, None, ReasonClass.NONE),
        (DeliveryStatus.REJECTED, "smtp_rcpt_550", ReasonClass.RECIPIENT),
        (DeliveryStatus.REJECTED, "bounced", ReasonClass.RECIPIENT),
        (DeliveryStatus.FAILED, "smtp_connect_failed", ReasonClass.PROVIDER),
        (DeliveryStatus.UNKNOWN, "telegram_read_timeout", ReasonClass.PROVIDER),
        (DeliveryStatus.SKIPPED, "renewed", ReasonClass.ITEM),
        (DeliveryStatus.FAILED, "gave_up", ReasonClass.DEADLINE),
        (DeliveryStatus.FAILED, "anything at all", ReasonClass.PROVIDER),
    ],
)
def test_a_reason_has_one_of_few_classes(status: DeliveryStatus, reason: str | None, expected: ReasonClass) -> None:
    assert reason_class(status, reason) is expected


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_of_ours_has_a_class_of_its_own_whatever_the_status(reason: Reason) -> None:
    assert len({reason_class(status, reason) for status in DeliveryStatus}) == 1
