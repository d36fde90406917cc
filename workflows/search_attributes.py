"""The search attributes that operators filter workflows by.

PostgreSQL visibility allows 10 Keywords and 3 of each other type in a namespace, so that ids are Keywords.
"""

from __future__ import annotations

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from contracts.sending import StartableNotification

NOTIFICATION_TYPE = SearchAttributeKey.for_keyword("NotificationType")
COMPANY_ID = SearchAttributeKey.for_keyword("CompanyId")
PROJECT_ID = SearchAttributeKey.for_keyword("ProjectId")
EMAIL_OUTCOME = SearchAttributeKey.for_keyword("EmailOutcome")
TELEGRAM_OUTCOME = SearchAttributeKey.for_keyword("TelegramOutcome")
DAYS_LEFT = SearchAttributeKey.for_int("DaysLeft")

ALL = (NOTIFICATION_TYPE, COMPANY_ID, PROJECT_ID, EMAIL_OUTCOME, TELEGRAM_OUTCOME, DAYS_LEFT)


def of_notification(notification: StartableNotification) -> TypedSearchAttributes:
    """What is known of a notification when its workflow starts; the channels' outcomes follow at its end."""
    pairs: list[SearchAttributePair[str] | SearchAttributePair[int]] = [
        SearchAttributePair(NOTIFICATION_TYPE, notification.notification_type.value)
    ]
    if notification.company_id is not None:
        pairs.append(SearchAttributePair(COMPANY_ID, str(notification.company_id)))
    if notification.project_id is not None:
        pairs.append(SearchAttributePair(PROJECT_ID, str(notification.project_id)))
    if notification.days_left is not None:
        pairs.append(SearchAttributePair(DAYS_LEFT, notification.days_left))
    return TypedSearchAttributes(pairs)
