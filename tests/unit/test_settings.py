"""A wrong or missing setting is named in one line; secrets come from files, as they are at that moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from channels.configured import require_a_channel
from db.engine import database_url
from settings import Settings, SettingsError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMTP_PORT", "abc"),
        ("SMTP_PORT", "70000"),
        ("SMTP_TLS", "maybe"),
        ("SMTP_FROM_EMAIL", "nobody"),
        ("TELEGRAM_API_URL", "telegram"),
        ("EXPIRY_SCAN_CRON", "every day"),
        ("EXPIRY_SCAN_CRON", "61 9 * * *"),
        ("EXPIRY_SCAN_TIMEZONE", "Mars/Olympus"),
        ("EXPIRY_SCAN_CRON", "0 0 9 * * *"),
        ("DEACTIVATE_CRON", "hourly"),
        ("DEACTIVATE_CRON", "0 9 13 * 5"),
        ("DEACTIVATE_GRACE", "-1"),
        ("DEACTIVATE_ONLY_AFTER_NOTICE", "perhaps"),
        ("SCAN_MAX_NOTICES", "0"),
        ("ALERT_COOLDOWN", "inf"),
        ("UNTOLD_WITHIN", "1e15"),
        ("EMAIL_RATE", "nan"),
        ("HEALTH_CHECK_INTERVAL", "99999999999999"),
        ("PUBLIC_URL", "notices.platform.example"),
        ("HEALTH_PING_URL", "ping"),
        ("DISK_LIMIT", "101"),
        ("EXPIRY_THRESHOLDS_DAYS", "7,soon"),
        ("EXPIRY_THRESHOLDS_DAYS", "400"),
        ("EMAIL_RETRY_INITIAL", "0"),
        ("GIVE_UP_AFTER", "-1"),
        ("WORKER_CONCURRENCY", "0"),
        ("RENEW_URL_TEMPLATE", "https://example.com/{project}"),
        ("API_AUTH", "maybe"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        Settings.load()
    assert str(error.value).startswith(f"{name}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"SMTP_HOST": "mail.example"}, "SMTP_FROM_EMAIL"),
        ({"SMTP_USERNAME": "me"}, "SMTP_PASSWORD"),
        ({"PUBLIC_URL": "https://notices.platform.example"}, "UNSUBSCRIBE_SECRET"),
        ({"PUBLIC_URL": "https://notices.platform.example/?a=b", "UNSUBSCRIBE_SECRET": "x"}, "PUBLIC_URL"),
        ({"PUBLIC_URL": "http://notices.platform.example", "UNSUBSCRIBE_SECRET": "x"}, "PUBLIC_URL"),
        ({"API_KEYS": "a", "API_KEYS_FILE": "/dev/null"}, "API_KEYS"),
        ({"SMTP_PASSWORD_FILE": "/nowhere/secret"}, "SMTP_PASSWORD_FILE"),
        (
            {"SMTP_HOST": "mail.example", "SMTP_FROM_EMAIL": "a@b.example", "SMTP_USERNAME": "me"}
            | {"SMTP_PASSWORD": "x", "SMTP_TLS": "none"},
            "SMTP_TLS",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_named(
    environment: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{named}: "):
        Settings.load()


def test_an_error_does_not_quote_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hunter2@db.example:no-port/x")
    with pytest.raises(SettingsError, match=r"^DATABASE_URL: ") as error:
        database_url(Settings.load())
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
def test_a_database_url_is_taken_in_its_usual_forms(scheme: str) -> None:
    url = database_url(Settings(database_url=f"{scheme}://me:pw@db.example:5433/x"))
    assert url.render_as_string(hide_password=False) == "postgresql+asyncpg://me:pw@db.example:5433/x"


def test_another_database_is_refused() -> None:
    with pytest.raises(SettingsError, match="must be a PostgreSQL URL, not mysql"):
        database_url(Settings(database_url="mysql://db.example/x"))


def test_a_secret_is_read_from_its_file_each_time(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    settings = Settings(telegram_bot_token_file=file)
    assert settings.secret("telegram_bot_token") == "first"
    file.write_text("second\n")
    assert settings.secret("telegram_bot_token") == "second"


def test_secrets_are_not_shown() -> None:
    assert "hunter2" not in repr(Settings(api_keys="hunter2", database_url="postgresql://me:hunter2@db/x"))


def test_thresholds_are_a_comma_separated_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPIRY_THRESHOLDS_DAYS", "1, 30,7")
    assert Settings.load().expiry_thresholds_days == [30, 7, 1]


def test_with_no_channel_nothing_may_start() -> None:
    with pytest.raises(SettingsError, match="SMTP_HOST or TELEGRAM_BOT_TOKEN"):
        require_a_channel(Settings())
