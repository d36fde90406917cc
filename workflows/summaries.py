"""What the Web UI says of a workflow in one sentence, and the way from there to its record. Ids only."""

from __future__ import annotations

from typing import assert_never

from contracts.keys import NotificationType
from contracts.scanning import StartableNotification


def notification_summary(notification: StartableNotification) -> str:
    """Such as "Warn company 7: project 42 ends in 7 days"."""
    match notification.notification_type:
        case NotificationType.EXPIRING:
            ends = f"{_item(notification)} ends {_in_days(notification.days_left)}"
            return f"Warn company {notification.company_id}: {ends}"
        case NotificationType.EXPIRED:
            return f"Tell company {notification.company_id}: {_item(notification)} has ended"
        case NotificationType.TEST:
            return f"Test notification {notification.notification_id}"
        case NotificationType.ALERT:
            return f"Alert the operators: notification {notification.notification_id}"
        case _:
            assert_never(notification.notification_type)


def _item(notification: StartableNotification) -> str:
    project = f"project {notification.project_id}"
    return project if notification.ar_content_id is None else f"AR content {notification.ar_content_id} of {project}"


def _in_days(days_left: int | None) -> str:
    if days_left is None:
        return "soon"
    return {0: "today", 1: "tomorrow"}.get(days_left, f"in {days_left} days")


def notification_details(api_url: str, notification_id: int) -> str:
    """Markdown with a link to the notification's row in the API, where its URL is known."""
    if not api_url:
        return f"Notification {notification_id}"
    return f"Record: [notification {notification_id}]({api_url}/notifications/{notification_id})"
