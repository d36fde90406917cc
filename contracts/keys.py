"""The types and keys of notifications, and when each type is given up."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import assert_never
from uuid import UUID


class NotificationType(StrEnum):
    """What a notification is about."""

    EXPIRING = "expiring"
    EXPIRED = "expired"
    TEST = "test"
    ALERT = "alert"


def item_name(project_id: int, ar_content_id: int | None = None) -> str:
    """Returns the item's name in keys: `project-<id>`, or `content-<id>` for AR content with an end of its own."""
    return f"project-{project_id}" if ar_content_id is None else f"content-{ar_content_id}"


def notification_key(
    notification_type: NotificationType, item: str, ends_at: datetime, threshold_days: int | None = None
) -> str:
    """Returns a notification's key: unique in the database, the workflow's id, the stem of the e-mail's Message-ID.

    `item` is an `item_name`, `ends_at` any aware time. Examples: `expiring.project-42.20261201T000000Z.7d`, and
    without a threshold `expired.project-42.20261201T000000Z`. Never change the format: every company would be notified
    again.
    """
    if ends_at.tzinfo is None:
        raise ValueError(f"ends_at must have a time zone: {ends_at.isoformat()}")
    key = f"{notification_type}.{item}.{ends_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    return key if threshold_days is None else f"{key}.{threshold_days}d"


def key_of_test(request_id: UUID) -> str:
    """Returns the key of a test; `request_id` makes it unique."""
    return f"{NotificationType.TEST}.{request_id.hex}"


def key_of_alert(problem: str, raised_at: datetime) -> str:
    """Returns the key of an alert; `problem` is a stable code. It has microseconds, because a problem may be raised,
    over and raised again within a second: that is three alerts."""
    return f"{NotificationType.ALERT}.{problem}.{raised_at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"


def key_of_summary(day: date) -> str:
    """Returns the key of the daily summary of this day, so that each day is summarised once."""
    return f"{NotificationType.ALERT}.daily-summary.{day:%Y%m%d}"


def give_up_at(
    notification_type: NotificationType, now: datetime, item_ends_at: datetime | None, limit: float | None
) -> datetime:
    """Returns when a notification that is opened or reopened `now` is given up: `expiring` at its item's end.

    `limit` is GIVE_UP_AFTER in seconds, which no notification exceeds.
    """
    match notification_type:
        case NotificationType.EXPIRING:
            end = item_ends_at or now
        case NotificationType.EXPIRED:
            end = now + timedelta(days=7)
        case NotificationType.TEST:
            end = now + timedelta(minutes=15)
        case NotificationType.ALERT:
            end = now + timedelta(days=1)
        case _:
            assert_never(notification_type)
    return end if limit is None else min(end, now + timedelta(seconds=limit))


def is_urgent(notification_type: NotificationType) -> bool:
    """Whether the notification must not wait behind thousands from a scan, because a person is waiting for it."""
    match notification_type:
        case NotificationType.TEST | NotificationType.ALERT:
            return True
        case NotificationType.EXPIRING | NotificationType.EXPIRED:
            return False
        case _:
            assert_never(notification_type)


def own_fairness_key(notification_type: NotificationType) -> str | None:
    """Returns the fairness key that all notifications of this type share on every channel. None: it depends on the
    recipient.

    With one key for all tests and another for all alerts, an alert is among the next two to be sent, however many
    tests wait, and for however many recipients.
    """
    match notification_type:
        case NotificationType.TEST | NotificationType.ALERT:
            return notification_type.value
        case NotificationType.EXPIRING | NotificationType.EXPIRED:
            return None
        case _:
            assert_never(notification_type)


def goes_to_suppressed(notification_type: NotificationType) -> bool:
    """Whether it goes to a suppressed address as well: somebody asked for it, and waits to see it arrive."""
    match notification_type:
        case NotificationType.TEST:
            return True
        case NotificationType.EXPIRING | NotificationType.EXPIRED | NotificationType.ALERT:
            return False
        case _:
            assert_never(notification_type)


def is_about_an_item(notification_type: NotificationType) -> bool:
    """Whether the notification is about an item: a project or AR content."""
    match notification_type:
        case NotificationType.EXPIRING | NotificationType.EXPIRED:
            return True
        case NotificationType.TEST | NotificationType.ALERT:
            return False
        case _:
            assert_never(notification_type)
