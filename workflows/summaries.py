"""The summary and details of a workflow in the Web UI. They name nobody.

Static details say what a workflow is about, current details why it waits and what an operator can do.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import assert_never

from contracts.keys import NotificationType
from contracts.scanning import StartableNotification


def notification_summary(notification: StartableNotification) -> str:
    """Returns a sentence such as "Warn company 7: project 42 ends in 7 days"."""
    match notification.notification_type:
        case NotificationType.EXPIRING:
            ends = f"{_item(notification)} ends {_in_days(notification.days_left)}"
            return f"Warn company {notification.company_id}: {ends}"
        case NotificationType.EXPIRED:
            return f"Notify company {notification.company_id}: {_item(notification)} has ended"
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
    """Returns Markdown with a link to the notification in the API, if the API's URL is known."""
    if not api_url:
        return f"Notification {notification_id}"
    return f"Record: [notification {notification_id}]({api_url}/notifications/{notification_id})"


def waiting_for_room(until: datetime) -> str:
    """Returns Markdown that says why a scan starts nothing now."""
    return (
        "- Waiting for room: too many notifications are in flight, that is, started and not attempted yet. "
        f"SCAN_MAX_IN_FLIGHT and SCAN_MAX_IN_FLIGHT_PER_COMPANY limit them. Next look at {clock(until)}.\n"
        "- If this lasts, check whether workers take tasks: `python cli.py doctor`."
    )


def waiting_for_quiet_hours(until: datetime) -> str:
    """Returns Markdown that says why held notifications are not started yet."""
    return (
        f"- Waiting for the end of quiet hours: nothing is sent to a company until its own are over. Next look at "
        f"{clock(until)}.\n- Nothing needs to be done. `python cli.py notifications --status open` lists what waits."
    )


def waiting_for_channel(channel: str, until: datetime) -> str:
    """Returns Markdown that says why a channel is stopped."""
    return (
        f"- Waiting until {channel} may send again: its provider accepts no message from us until {clock(until)}. "
        "Then sending resumes by itself.\n"
        "- Nothing needs to be done. `python cli.py problems` shows whether the operators were alerted."
    )


def clock(moment: datetime) -> str:
    """Returns a moment as details show it, such as `2026-11-25 10:42 UTC`."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
