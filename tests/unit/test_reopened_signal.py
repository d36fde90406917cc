"""How a workflow that runs is told of a reopened delivery."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from contracts.keys import NotificationType
from contracts.scanning import StartableNotification
from contracts.sending import DeliveryToSend, ReopenedDelivery

EMAIL, TELEGRAM, SMS = (DeliveryToSend(number, name) for number, name in enumerate(("email", "telegram", "sms"), 1))
SECOND_EMAIL = DeliveryToSend(4, "email")


@pytest.mark.parametrize(
    ("deliveries", "reopened", "told"),
    [
        ([EMAIL, TELEGRAM], EMAIL, ("reopened", "email")),
        ([EMAIL, TELEGRAM, SMS], TELEGRAM, ("reopened", "telegram")),
        ([EMAIL, TELEGRAM, SMS], SMS, ("delivery_reopened", ReopenedDelivery(3, "sms"))),
        ([EMAIL, TELEGRAM, SECOND_EMAIL], SECOND_EMAIL, ("delivery_reopened", ReopenedDelivery(4, "email"))),
    ],
)
def test_it_is_told_in_words_of_the_last_release_where_those_say_which_delivery_is_meant(
    deliveries: list[DeliveryToSend], reopened: DeliveryToSend, told: tuple[str, object]
) -> None:
    notification = StartableNotification(
        notification_id=1,
        notification_type=NotificationType.EXPIRING,
        workflow_id="expiring.project-1",
        give_up_at=datetime(2026, 5, 1, tzinfo=UTC),
        deliveries=deliveries,
    )
    assert notification.signal_of(ReopenedDelivery(reopened.delivery_id, reopened.channel)) == told
