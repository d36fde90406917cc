"""The search attributes that operators filter workflows by.

PostgreSQL visibility allows 10 Keywords and 3 of each other type in a namespace, so that ids are Keywords.
"""

from __future__ import annotations

from collections.abc import Sequence

from temporalio.common import SearchAttributeKey, SearchAttributePair, SearchAttributeUpdate, TypedSearchAttributes

from contracts.scanning import StartableNotification
from contracts.sending import SendNotificationResult

NOTIFICATION_TYPE = SearchAttributeKey.for_keyword("NotificationType")
COMPANY_ID = SearchAttributeKey.for_keyword("CompanyId")
PROJECT_ID = SearchAttributeKey.for_keyword("ProjectId")
EMAIL_OUTCOME = SearchAttributeKey.for_keyword("EmailOutcome")
TELEGRAM_OUTCOME = SearchAttributeKey.for_keyword("TelegramOutcome")
DELIVERY_OUTCOMES = SearchAttributeKey.for_keyword_list("DeliveryOutcomes")
"""How each delivery ended, such as `email:accepted`, whatever the channel."""
DAYS_LEFT = SearchAttributeKey.for_int("DaysLeft")

ALL = (NOTIFICATION_TYPE, COMPANY_ID, PROJECT_ID, EMAIL_OUTCOME, TELEGRAM_OUTCOME, DELIVERY_OUTCOMES, DAYS_LEFT)


def of_notification(notification: StartableNotification) -> TypedSearchAttributes:
    """What is known of a notification when its workflow starts; the outcomes follow at its end."""
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


def of_outcome(
    recorded: SendNotificationResult,
) -> list[SearchAttributeUpdate[str] | SearchAttributeUpdate[Sequence[str]]]:
    """How the notification's deliveries ended."""
    return [
        EMAIL_OUTCOME.value_set(recorded.email.value),
        TELEGRAM_OUTCOME.value_set(recorded.telegram.value),
        DELIVERY_OUTCOMES.value_set(sorted({f"{each.channel}:{each.status}" for each in recorded.deliveries})),
    ]
