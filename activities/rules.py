"""Makes the rules of a scan and of a deactivation from the settings. Does no I/O."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from contracts.keys import NotificationType, item_name, notification_key
from db.items.due import DueItem, DueRules
from db.items.ended import DeactivationRules
from db.record.open import NewNotification
from settings import Settings

LAST_CHANCE_MARGIN = timedelta(hours=1)
"""A scan takes time: an item that ends within this time after the next scan cannot wait for that scan."""


def due_rules(settings: Settings, now: datetime, scan_at: datetime, next_scan: datetime) -> DueRules:
    """Returns the rules of a scan with the nominal time `scan_at` that looks at the items at `now`. `next_scan` is when
    the first scan after `now` is scheduled."""
    zone = ZoneInfo(settings.expiry_scan_timezone)
    return DueRules(
        now=now,
        last_chance_before=next_scan + LAST_CHANCE_MARGIN,
        default_thresholds=settings.expiry_thresholds_days,
        # On the schedule's clock: two scans at nine are a day apart, even if that day has 23 hours.
        cooling_since=(scan_at.astimezone(zone) - timedelta(hours=settings.expiry_cooldown_hours)).astimezone(UTC),
    )


def new_warning(item: DueItem, give_up_at: datetime) -> NewNotification:
    """Returns the notification to open for a due item."""
    name = item_name(item.project_id, item.ar_content_id)
    return NewNotification(
        item.company_id,
        item.project_id,
        item.ar_content_id,
        item.ends_at,
        notification_key(NotificationType.EXPIRING, name, item.ends_at, item.threshold_days),
        give_up_at,
        item.threshold_days,
        item.days_left,
    )


def deactivation_rules(settings: Settings, now: datetime) -> DeactivationRules:
    """Returns the rules of a deactivation that looks at the items at `now`."""
    ended_before = now - timedelta(seconds=settings.deactivate_grace)
    hold = timedelta(seconds=settings.deactivate_hold_limit if settings.deactivate_only_after_notice else 0)
    return DeactivationRules(now, ended_before, postponed_after=min(ended_before, now - hold))
