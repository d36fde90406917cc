"""The names that outsiders rely on. A change here is a breaking change."""

from __future__ import annotations

import email
from datetime import datetime
from email import policy
from uuid import UUID

import pytest
import typer
from typer.core import TyperGroup

from channels.email.composing import compose
from channels.email.texts import Mail
from channels.registry import all_queues, names
from cli import app
from contracts.keys import NotificationType, key_of_test, notification_key
from contracts.queues import task_queue
from contracts.sending import DeliveryStatus, NotificationStatus
from csv_import.lines import ArContentLine, CompanyLine, CompanyWithQuietHoursLine, ProjectLine
from settings import Settings
from temporal import schedules
from workflows import search_attributes

ENVIRONMENT = """
DATABASE_URL TEMPORAL_UI_URL TASK_QUEUE_PREFIX SMTP_HOST SMTP_PORT SMTP_USERNAME SMTP_PASSWORD SMTP_FROM_EMAIL SMTP_TLS
SMTP_TLS_CA_FILE TELEGRAM_BOT_TOKEN TELEGRAM_ADMIN_CHAT_ID TELEGRAM_API_URL ADMIN_EMAIL API_KEYS API_AUTH API_HOST
API_PORT EXPIRY_SCAN_CRON EXPIRY_SCAN_TIMEZONE EXPIRY_THRESHOLDS_DAYS EMAIL_RETRY_INITIAL TELEGRAM_RETRY_INITIAL
EMAIL_ATTEMPT_TIMEOUT TELEGRAM_ATTEMPT_TIMEOUT GIVE_UP_AFTER WORKER_CONCURRENCY LOG_FORMAT RENEW_URL_TEMPLATE
SUPPORT_EMAIL DATABASE_URL_FILE SMTP_PASSWORD_FILE TELEGRAM_BOT_TOKEN_FILE API_KEYS_FILE
""".split()


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_the_environment_variable_is_a_setting(name: str) -> None:
    assert name.lower() in Settings.model_fields


def test_a_notification_key_has_the_form_that_was_fixed_with_the_first_release() -> None:
    end = datetime.fromisoformat("2026-12-01T02:00:00+02:00")
    key = notification_key(NotificationType.EXPIRING, "project-42", end, 7)
    assert key == "expiring.project-42.20261201T000000Z.7d"
    assert notification_key(NotificationType.EXPIRED, "content-7", end) == "expired.content-7.20261201T000000Z"
    assert key_of_test(UUID(int=7)) == "test.00000000000000000000000000000007"


def test_a_notification_key_needs_an_aware_time() -> None:
    with pytest.raises(ValueError, match="time zone"):
        notification_key(NotificationType.EXPIRING, "project-42", datetime(2026, 12, 1), 7)  # noqa: DTZ001 - refused


def test_the_values_in_the_database_and_the_api() -> None:
    assert list(NotificationType) == ["expiring", "expired", "test", "alert"]
    assert list(NotificationStatus) == ["open", "delivered", "undelivered", "in_doubt"]
    assert list(DeliveryStatus) == ["pending", "sending", "accepted", "rejected", "unknown", "failed", "skipped"]
    assert names() == ["email", "telegram"]


def test_the_task_queues() -> None:
    assert [task_queue("expiry-", queue) for queue in all_queues()] == [
        "expiry-workflows",
        "expiry-email",
        "expiry-telegram",
    ]
    assert task_queue("expiry-", "email", urgent=True) == "expiry-email-urgent"


def test_the_schedules() -> None:
    assert schedules.SCAN_EXPIRING == "scan-expiring"
    assert schedules.DEACTIVATE_EXPIRED == "deactivate-expired"
    assert schedules.CHECK_HEALTH == "check-health"
    assert schedules.DAILY_SUMMARY == "daily-summary"
    assert schedules.APPLY_RETENTION == "apply-retention"


def test_the_commands() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    names = "migrate import schedules scan notifications deliveries servers resolve resend suppressions unsuppress"
    names += " preview bounces pause resume deactivate renew"
    names += " check-health problems untold doctor summary retention erase export"
    assert set(names.split()) <= set(group.commands)


def test_the_columns_of_the_csv_files() -> None:
    assert list(CompanyLine.model_fields) == (
        "slug,name,contact_email,telegram_chat_id,locale,timezone,email_enabled,telegram_enabled".split(",")
    )
    assert list(CompanyWithQuietHoursLine.model_fields) == [*CompanyLine.model_fields, "quiet_hours"]
    assert list(ProjectLine.model_fields) == (
        "slug,company_slug,name,status,starts_at,expires_at,auto_renew,subscription_type,notify_before_expiry_days,"
        "tags,metadata".split(",")
    )
    assert list(ArContentLine.model_fields) == "slug,project_slug,title,is_active,expires_at".split(",")


def test_the_search_attributes() -> None:
    assert [key.name for key in search_attributes.ALL] == [
        "NotificationType",
        "CompanyId",
        "ProjectId",
        "CompanySlug",
        "ProjectSlug",
        "ContentSlug",
        "EmailOutcome",
        "TelegramOutcome",
        "DeliveryOutcomes",
        "WaitingFor",
        "DaysLeft",
    ]


def test_a_mail_bears_its_notification_and_a_stable_message_id() -> None:
    settings = Settings.load(
        smtp_from_email="notices@platform.example", smtp_from_name="N", support_email="s@platform.example"
    )
    mail = compose(settings, 7, "expiring.project-42.x.7d", "a@b.example", Mail("s", "t", "<p>h</p>"))
    message = email.message_from_bytes(mail.as_bytes(), policy=policy.default)
    assert mail.message_id == message["Message-ID"]
    assert message["X-Notification-Id"] == "7"
    assert message["Message-ID"] == "<expiring.project-42.x.7d@platform.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
