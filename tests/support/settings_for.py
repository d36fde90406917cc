"""The application's settings for a test's servers: quick to retry, and as fast as the servers are."""

from __future__ import annotations

from collections.abc import Callable

from local.stand_ins.smtp_sink import SmtpSink
from local.stand_ins.telegram_api import TelegramApi
from settings import Settings

MakeSettings = Callable[..., Settings]
"""`settings_for` with a test's own servers."""

UNLIMITED: dict[str, object] = {
    "email_rate": 10_000,
    "email_company_rate": 10_000,
    "telegram_rate": 10_000,
    "telegram_chat_rate": 10_000,
    "telegram_group_rate_per_minute": 600_000,
}
"""For what is not about rate limits."""

RENEW_URL_TEMPLATE = "https://platform.example/projects/{slug}/renew"
SUPPORT_EMAIL = "support@platform.example"
API_KEY = "test-key-that-is-long-enough-to-start"
"""What the API under test lets in."""

REQUIRED = {
    "DATABASE_URL": "postgresql://me:secret@db.platform.example/x",
    "SMTP_HOST": "smtp.platform.example",
    "SMTP_FROM_EMAIL": "notices@platform.example",
    "SMTP_FROM_NAME": "Expiry notifier",
    "RENEW_URL_TEMPLATE": RENEW_URL_TEMPLATE,
    "SUPPORT_EMAIL": SUPPORT_EMAIL,
    "API_KEYS": API_KEY,
}
"""All that an operator has to set, by the variables' names."""

AT_EASE: dict[str, object] = {
    "health_check_interval": 10 * 365 * 86_400,
    "disk_limit": 100,
    "memory_limit": 100,
    "cpu_limit": 100_000,
}
"""No check but those that a test starts (the next by the Schedule is in 2069), and a machine that may be busy."""


def settings_for(database_url: str, sink: SmtpSink, telegram: TelegramApi, **overrides: object) -> Settings:
    """`overrides` are settings by their field names."""
    defaults: dict[str, object] = {
        "database_url": database_url,
        "smtp_host": sink.host,
        "smtp_port": sink.port,
        "smtp_tls": "none",
        "smtp_from_email": "notices@platform.example",
        "smtp_from_name": "Expiry notifier",
        "renew_url_template": RENEW_URL_TEMPLATE,
        "support_email": SUPPORT_EMAIL,
        "telegram_bot_token": telegram.token,
        "telegram_api_url": telegram.url,
        "email_retry_initial": 0.2,
        "telegram_retry_initial": 0.2,
        "operator_fault_retry": 0.5,
        "pause_retry": 0.5,
        "api_keys": API_KEY,
    }
    return Settings.load(**(UNLIMITED | AT_EASE | defaults | overrides))
