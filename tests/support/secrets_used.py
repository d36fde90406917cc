"""What each of our programs needs to do its work, and no more: wherever it runs."""

from __future__ import annotations

SECRETS_USED = {
    "migrate": {"database_url"},
    "worker": {"database_url", "smtp_password", "telegram_bot_token", "telegram_proxy", "unsubscribe_secret"},
    "schedules": {"database_url"},
    "api": {"database_url", "api_keys", "unsubscribe_secret"},
    "backup": {"database_url"},
    "bounces": {"database_url", "unsubscribe_secret"},
}
