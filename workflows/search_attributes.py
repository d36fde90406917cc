"""The search attributes that operators filter workflows by.

PostgreSQL visibility allows 10 Keywords and 3 of each other type in a namespace, so ids are Keywords. A slug is what
operators know an item by. No attribute has a person's name or address.
"""

from __future__ import annotations

from collections.abc import Sequence

from temporalio.common import SearchAttributeKey, SearchAttributePair, SearchAttributeUpdate, TypedSearchAttributes

from contracts.scanning import StartableNotification
from contracts.sending import SendNotificationResult

NOTIFICATION_TYPE = SearchAttributeKey.for_keyword("NotificationType")
COMPANY_ID = SearchAttributeKey.for_keyword("CompanyId")
PROJECT_ID = SearchAttributeKey.for_keyword("ProjectId")
COMPANY_SLUG = SearchAttributeKey.for_keyword("CompanySlug")
PROJECT_SLUG = SearchAttributeKey.for_keyword("ProjectSlug")
CONTENT_SLUG = SearchAttributeKey.for_keyword("ContentSlug")
"""Of AR content with an end of its own."""
EMAIL_OUTCOME = SearchAttributeKey.for_keyword("EmailOutcome")
TELEGRAM_OUTCOME = SearchAttributeKey.for_keyword("TelegramOutcome")
DELIVERY_OUTCOMES = SearchAttributeKey.for_keyword_list("DeliveryOutcomes")
"""How each delivery ended, such as `email:accepted`, whatever the channel."""
WAITING_FOR = SearchAttributeKey.for_keyword_list("WaitingFor")
"""While a delivery waits long for its provider: its channel, such as `email`, and why, such as `email:smtp_rcpt_450`.
"""
DAYS_LEFT = SearchAttributeKey.for_int("DaysLeft")

LONGEST_KEYWORD = 255
"""Characters that PostgreSQL visibility takes. A longer slug is left out; imports accept none."""

ALL = (
    NOTIFICATION_TYPE,
    COMPANY_ID,
    PROJECT_ID,
    COMPANY_SLUG,
    PROJECT_SLUG,
    CONTENT_SLUG,
    EMAIL_OUTCOME,
    TELEGRAM_OUTCOME,
    DELIVERY_OUTCOMES,
    WAITING_FOR,
    DAYS_LEFT,
)


def of_notification(notification: StartableNotification) -> TypedSearchAttributes:
    """Returns the attributes known when the workflow starts. `of_outcome` adds the rest at its end."""
    pairs: list[SearchAttributePair[str] | SearchAttributePair[int]] = [
        SearchAttributePair(NOTIFICATION_TYPE, notification.notification_type.value)
    ]
    keywords = (
        (COMPANY_ID, notification.company_id),
        (PROJECT_ID, notification.project_id),
        (COMPANY_SLUG, notification.company_slug),
        (PROJECT_SLUG, notification.project_slug),
        (CONTENT_SLUG, notification.content_slug),
    )
    pairs += [
        SearchAttributePair(key, str(value))
        for key, value in keywords
        if value is not None and len(str(value)) <= LONGEST_KEYWORD
    ]
    if notification.days_left is not None:
        pairs.append(SearchAttributePair(DAYS_LEFT, notification.days_left))
    return TypedSearchAttributes(pairs)


def of_outcome(
    recorded: SendNotificationResult, *, waited: bool
) -> list[SearchAttributeUpdate[str] | SearchAttributeUpdate[Sequence[str]]]:
    """Returns the attributes that say how the notification's deliveries ended. `waited`: WAITING_FOR was set."""
    return [
        *([WAITING_FOR.value_unset()] if waited else []),
        EMAIL_OUTCOME.value_set(recorded.email.value),
        TELEGRAM_OUTCOME.value_set(recorded.telegram.value),
        DELIVERY_OUTCOMES.value_set(sorted({f"{each.channel}:{each.status}" for each in recorded.deliveries})),
    ]
