"""A wrong or missing setting is named in one line; secrets come from files, as they are at that moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from channels.configured import require_a_channel, require_to_send
from db.engine import database_url
from settings import Settings, SettingsError
from tests.support.settings_for import API_KEY, REQUIRED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMTP_PORT", "abc"),
        ("SMTP_PORT", "70000"),
        ("METRICS_ADDRESS", "localhost"),
        ("API_METRICS_ADDRESS", "9464"),
        ("SMTP_TLS", "maybe"),
        ("SMTP_FROM_EMAIL", "nobody"),
        ("SMTP_HOST", "mail.example.com"),
        ("SMTP_EHLO_HOST", "mail.example.com"),
        ("SMTP_EHLO_HOST", "worker"),
        ("SMTP_EHLO_HOST", "192.0.2.1"),
        ("SMTP_EHLO_HOST", "2001:db8::1"),
        ("SMTP_EHLO_HOST", "[192.0.2.256]"),
        ("SMTP_EHLO_HOST", "[2001:db8::1]"),
        ("SMTP_EHLO_HOST", "[IPv6:fe80::1%eth0]"),
        ("SMTP_EHLO_HOST", "[192.0.2.1"),
        ("SMTP_EHLO_HOST", "under_score.platform.example"),
        ("SMTP_EHLO_HOST", "-a.platform.example"),
        ("SMTP_EHLO_HOST", "a..platform.example"),
        ("SMTP_EHLO_HOST", "platform.example\r\nMAIL FROM:<a@b.example>"),
        ("SMTP_EHLO_HOST", f"{'a' * 64}.platform.example"),
        ("SMTP_EHLO_HOST", f"{'a.' * 127}b"),
        ("SMTP_FROM_EMAIL", "notices@example.com"),
        ("SMTP_FROM_NAME", "change-me"),
        ("ADMIN_EMAIL", "ops@EXAMPLE.org"),
        ("SUPPORT_EMAIL", "nobody"),
        ("SUPPORT_EMAIL", "support@eu.example.net"),
        ("PUBLIC_URL", "https://example.com"),
        ("HEALTH_PING_URL", "https://ping.example.com/1"),
        ("TELEGRAM_API_URL", "telegram"),
        ("TELEGRAM_API_URL", "http://telegram-bot-api:8081"),
        ("TELEGRAM_API_URL", "http://192.0.2.7:8081"),
        ("TELEGRAM_API_URL", "http://localhost.platform.example"),
        ("API_KEYS", "change-me"),
        ("API_KEYS", f"{API_KEY},short"),
        ("API_KEYS", API_KEY[:31]),
        ("API_KEYS", "0123456" * 9),
        ("UNSUBSCRIBE_SECRET", "x"),
        ("UNSUBSCRIBE_SECRET", "x" * 64),
        ("SMTP_PASSWORD", "Change-Me"),
        ("TELEGRAM_BOT_TOKEN", "change-me"),
        ("DATABASE_URL", "postgresql://me:change-me@localhost/x"),
        ("EXPIRY_SCAN_CRON", "every day"),
        ("EXPIRY_SCAN_CRON", "61 9 * * *"),
        ("EXPIRY_SCAN_TIMEZONE", "Mars/Olympus"),
        ("EXPIRY_SCAN_CRON", "0 0 9 * * *"),
        ("DEACTIVATE_CRON", "hourly"),
        ("DEACTIVATE_CRON", "0 9 13 * 5"),
        ("DAILY_SUMMARY_CRON", "never"),
        ("DAILY_SUMMARY_CRON", "@daily"),
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
        ("WORKER_DEPLOYMENT", "expiry.notifier"),
        ("WORKER_BUILD_ID", "a build"),
        ("RENEW_URL_TEMPLATE", "https://platform.example/{project}"),
        ("RENEW_URL_TEMPLATE", "https://platform.example/{slug.real}"),
        ("RENEW_URL_TEMPLATE", "https://example.com/projects/{slug}/renew"),
        ("RENEW_CONTENT_URL_TEMPLATE", "https://platform.example/{company}"),
        ("RENEW_CONTENT_URL_TEMPLATE", "https://platform.example/{slug.x}"),
        ("RENEW_CONTENT_URL_TEMPLATE", "page"),
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
    ("value", "setting"), [("off", "off"), (" OFF ", "off"), ("30  7 * * mon-fri", "30 7 * * MON-FRI")]
)
def test_the_daily_summary_may_be_off(value: str, setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAILY_SUMMARY_CRON", value)
    assert Settings.load().daily_summary_cron == setting


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"SMTP_HOST": "mail.example"}, "SMTP_FROM_EMAIL"),
        ({"SMTP_HOST": "mail.example", "SMTP_FROM_EMAIL": "a@b.example"}, "SMTP_FROM_NAME"),
        ({"PUBLIC_URL": "https://notices.platform.example/?a=b"}, "PUBLIC_URL"),
        ({"PUBLIC_URL": "http://notices.platform.example"}, "PUBLIC_URL"),
        ({"API_KEYS": "a", "API_KEYS_FILE": "/dev/null"}, "API_KEYS"),
        ({"SMTP_PASSWORD_FILE": "/nowhere/secret"}, "SMTP_PASSWORD_FILE"),
        (
            {
                "SMTP_HOST": "mail.example",
                "SMTP_FROM_EMAIL": "a@b.example",
                "SMTP_FROM_NAME": "B",
                "SMTP_USERNAME": "me",
            }
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


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"RENEW_URL_TEMPLATE": ""}, "RENEW_URL_TEMPLATE"),
        ({"SUPPORT_EMAIL": ""}, "SUPPORT_EMAIL"),
        ({"SMTP_USERNAME": "me"}, "SMTP_PASSWORD"),
        ({"PUBLIC_URL": "https://notices.platform.example"}, "UNSUBSCRIBE_SECRET"),
    ],
)
def test_what_sending_needs_is_named(more: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (REQUIRED | more).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=rf"^{named}: required"):
        require_to_send(Settings.load())


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("mail.platform.example", "mail.platform.example"),
        ("mail.münchen.example", "mail.xn--mnchen-3ya.example"),
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
    ],
)
def test_a_name_or_an_address_may_stand_in_ehlo(value: str, name: str) -> None:
    assert Settings.load(smtp_ehlo_host=value).smtp_ehlo_host == name


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"])
def test_nothing_is_encrypted_on_one_machine(host: str) -> None:
    settings = Settings.load(telegram_api_url=f"http://{host}:8081", public_url=f"http://{host}:8000")
    assert settings.telegram_api_url.scheme == "http"


def test_a_secret_that_becomes_weak_is_refused_when_it_is_used(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(API_KEY)
    settings = Settings.load(api_keys_file=file)
    file.write_text("hunter2")
    with pytest.raises(ValueError, match=r"^API_KEYS: easy to guess: .*token_urlsafe") as error:
        settings.secret("api_keys")
    assert "hunter2" not in str(error.value)


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
    assert API_KEY not in repr(Settings(api_keys=API_KEY))
    assert "hunter2" not in repr(Settings(database_url="postgresql://me:hunter2@db/x"))


def test_thresholds_are_a_comma_separated_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPIRY_THRESHOLDS_DAYS", "1, 30,7")
    assert Settings.load().expiry_thresholds_days == [30, 7, 1]


def test_with_no_channel_nothing_may_start() -> None:
    with pytest.raises(SettingsError, match="SMTP_HOST or TELEGRAM_BOT_TOKEN"):
        require_a_channel(Settings())


@pytest.mark.parametrize(
    "url",
    [
        "http://proxy.example:3128",
        "https://u:p%40w@proxy.example",
        "socks5://127.0.0.1:1080",
        "socks5h://u:p@[::1]:1080/",
    ],
)
def test_a_proxy_has_a_url(url: str) -> None:
    assert Settings.load(telegram_proxy=url).secret("telegram_proxy") == url


@pytest.mark.parametrize(
    "url",
    [
        "proxy.example:3128",
        "ftp://hidden@proxy.example",
        "socks4://hidden@proxy.example",
        "http://",
        "http://hidden@",
        "http://proxy.example:0",
        "http://proxy.example:99999",
        "http://proxy.example:hidden",
        "http://hid den@proxy.example",
        "http://[::1",
        "http://proxy.example/hidden",
        "http://proxy.example?hidden",
        "http://proxy.example\n",
        "http://prüfung.example",
    ],
)
def test_what_is_no_proxys_url_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^TELEGRAM_PROXY: must be the URL of a proxy") as refused:
        Settings.load(telegram_proxy=url)
    assert "hid" not in str(refused.value)
