"""Every setting of the application: name, type, unit, default, meaning.

A setting is read from the environment variable of its name in capitals. A secret may stand in a file
instead, named by `NAME_FILE`; the file is read again each time the secret is used, so that a rotation
needs no restart. `temporalio.envconfig` reads Temporal's own connection settings (`TEMPORAL_ADDRESS`, mTLS, ...), so of
these only the API key is here.
"""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self, assert_never
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    EmailStr,
    Field,
    HttpUrl,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from runtime.cron import checked_cron
from runtime.ehlo_name import checked_ehlo_name
from runtime.listening import checked_address
from runtime.named_keys import parse_keys
from runtime.proxy_url import require_proxy_url
from runtime.weak_settings import is_example, is_loopback, require_no_placeholder, require_strength
from runtime.wording import plain

LONGEST_BOUNCE_MAILBOX = 27
"""With the longest tag it is a local part of 64 characters (RFC 5321)."""


class SettingsError(Exception):
    """A setting is wrong or missing. The message is one line that names it and says what to do."""


class SmtpTls(StrEnum):
    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"

    def encrypts(self) -> bool:
        match self:
            case SmtpTls.NONE:
                return False
            case SmtpTls.STARTTLS | SmtpTls.IMPLICIT:
                return True
            case _:
                assert_never(self)


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


TEN_YEARS = 10 * 365 * 86_400
Seconds = Annotated[float, Field(gt=0, le=TEN_YEARS)]
Cron = Annotated[str, AfterValidator(checked_cron)]
OFF = "off"
CronOrOff = Annotated[str, AfterValidator(lambda text: OFF if text.strip().lower() == OFF else checked_cron(text))]
ListenAddress = Annotated[str, AfterValidator(checked_address)]

SECRETS = (
    "database_url",
    "temporal_api_key",
    "smtp_password",
    "telegram_bot_token",
    "telegram_proxy",
    "api_keys",
    "unsubscribe_secret",
)
MADE_BY_US = ("api_keys", "unsubscribe_secret")
"""Secrets that the operators make themselves, so they can be as strong as they should be."""


class Settings(BaseSettings):
    """The application's settings; `load()` makes one from the environment."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, allow_inf_nan=False)

    database_url: SecretStr | None = Field(
        None, description="The PostgreSQL database, as postgresql://user:password@host:5432/name. Required."
    )
    database_url_file: Path | None = Field(None, description="A file that holds DATABASE_URL.")
    database_pool_size: PositiveInt = Field(20, description="Most connections to PostgreSQL that a process keeps.")
    database_statement_cache_size: int = Field(
        100,
        ge=0,
        description="Most prepared statements that a connection to PostgreSQL keeps. "
        "0: none, as PgBouncer in transaction mode requires.",
    )

    temporal_api_key: SecretStr | None = Field(
        None, description="API key or JWT for Temporal, such as Temporal Cloud's. Setting one turns TLS on."
    )
    temporal_api_key_file: Path | None = Field(
        None, description="A file that holds TEMPORAL_API_KEY. The worker and the API use a new key within 30 seconds."
    )
    temporal_ui_url: str = Field(
        "http://localhost:8233", description="URL of the Temporal Web UI in a browser; used in links."
    )
    task_queue_prefix: str = Field(
        "expiry-", description="Prefix of every task queue's name; separates deployments in one namespace."
    )
    worker_deployment: str | None = Field(
        None,
        description="Name of the Worker Deployment in Temporal that this worker is a version of. A version gets tasks "
        "only once it is current or ramping. Empty: the worker has no version.",
    )
    worker_build_id: str | None = Field(
        None,
        description="This build's id in WORKER_DEPLOYMENT, different for each build. Empty: version and commit, such "
        "as 0.6.0-880c0d3f1a2b.",
    )
    worker_concurrency: PositiveInt = Field(
        100, description="Most activities of one task queue that a worker runs at a time."
    )

    smtp_host: str | None = Field(None, description="The mail server. Empty: e-mail is not configured.")
    smtp_port: int = Field(587, ge=1, le=65535, description="The mail server's port.")
    smtp_username: str | None = Field(None, description="User for SMTP AUTH. Empty: no authentication.")
    smtp_password: SecretStr | None = Field(None, description="Password for SMTP AUTH.")
    smtp_password_file: Path | None = Field(None, description="A file that holds SMTP_PASSWORD.")
    smtp_from_email: EmailStr | None = Field(
        None, description="Sender of every e-mail; every Message-ID ends with its domain. Required with SMTP_HOST."
    )
    smtp_bounce_address: EmailStr | None = Field(
        None,
        description="Envelope sender (MAIL FROM), to which bounces go. Each e-mail adds +<tag> to its local part, "
        "signed with UNSUBSCRIBE_SECRET, which proves a bounce. Empty: SMTP_FROM_EMAIL, and no bounce suppresses an "
        "address.",
    )
    smtp_from_name: str | None = Field(None, description="The sender's name as people see it. Required with SMTP_HOST.")
    smtp_tls: SmtpTls = Field(
        SmtpTls.STARTTLS, description="none, starttls (usually port 587) or implicit (usually port 465)."
    )
    smtp_ehlo_host: Annotated[str, AfterValidator(checked_ehlo_name)] | None = Field(
        None,
        description="The worker's name in EHLO, such as mail.your-domain, or its address as [192.0.2.1]. Mail servers "
        "may look it up. Empty: the host's own name.",
    )
    smtp_tls_ca_file: Path | None = Field(
        None, description="File with the CA certificates (PEM) to trust for SMTP. Empty: the system's."
    )

    telegram_bot_token: SecretStr | None = Field(
        None, description="The bot's token. Empty: Telegram is not configured."
    )
    telegram_bot_token_file: Path | None = Field(None, description="A file that holds TELEGRAM_BOT_TOKEN.")
    telegram_in_doubt: Literal["unknown", "resend"] = Field(
        "unknown",
        description="If Telegram's answer to a message is lost: unknown leaves the delivery to an operator, "
        "resend sends a marked copy.",
    )
    telegram_admin_chat_id: int | None = Field(None, description="The chat that receives alerts.")
    telegram_api_url: HttpUrl = Field(
        HttpUrl("https://api.telegram.org"),
        description="URL of Telegram's Bot API, over HTTPS, without /bot<token>.",
    )
    telegram_proxy: SecretStr | None = Field(
        None,
        description="URL of the proxy to Telegram: http://, https://, socks5:// or socks5h://, with user:password@ if "
        "it asks for them. Empty: none. HTTP_PROXY, ALL_PROXY and NO_PROXY of the environment are not used.",
    )
    telegram_proxy_file: Path | None = Field(None, description="A file that holds TELEGRAM_PROXY.")
    admin_email: EmailStr | None = Field(None, description="The e-mail address that receives alerts.")
    admin_locale: str = Field(
        "en", description="Language of the daily summary, such as en or ru. Alerts are in English."
    )
    alert_cooldown: Seconds = Field(21600, description="Seconds before the same problem is alerted again.")

    expiry_scan_cron: Cron = Field(
        "0 9 * * *",
        description="When to scan, as a cron expression of 5 fields: minute, hour, day of the month, month, day of the "
        "week. One of the two days must be *.",
    )
    expiry_scan_timezone: str = Field("UTC", description="IANA time zone of EXPIRY_SCAN_CRON.")
    expiry_thresholds_days: Annotated[list[int], NoDecode, BeforeValidator(_split)] = Field(
        [30, 7, 1],
        min_length=1,
        description="Thresholds: days before an item's end at which its company is notified, comma-separated. "
        "A project's own list takes precedence.",
    )
    expiry_cooldown_hours: float = Field(
        24, ge=0, le=87_600, description="Hours between two notifications for one item, unless its end comes first."
    )
    scan_page_size: int = Field(
        1000, ge=1, le=5000, description="Most items that one transaction opens notifications for or deactivates."
    )
    scan_max_notices: PositiveInt = Field(
        10_000,
        description="Most notifications that one scan opens, and most items that one deactivation deactivates. "
        "A run that would exceed it changes nothing and alerts the operators, who may allow it.",
    )
    scan_max_in_flight: PositiveInt = Field(
        2000, description="Most notifications that are started but not attempted yet."
    )
    scan_max_in_flight_per_company: PositiveInt = Field(500, description="The same limit for a single company.")

    deactivate_cron: Cron = Field(
        "0 * * * *",
        description="When to deactivate what has ended: cron fields as in EXPIRY_SCAN_CRON, but in UTC.",
    )
    deactivate_grace: float = Field(
        0, ge=0, le=TEN_YEARS, description="Seconds between an item's end and its deactivation."
    )
    deactivate_only_after_notice: bool = Field(
        False, description="true: an item stays active until a channel has accepted a notification of its end."
    )
    deactivate_hold_limit: float = Field(
        259_200,
        ge=0,
        le=TEN_YEARS,
        description="With DEACTIVATE_ONLY_AFTER_NOTICE: most seconds that an item stays active after its end.",
    )
    notify_on_expired: bool = Field(True, description="false: companies are not notified of deactivated items.")

    texts_keep_days: int | None = Field(
        None,
        ge=30,
        le=3650,
        description="Days after a notification has ended in which its texts, its recipients and the providers' answers "
        "are kept. After that only the fact, times, codes and a digest of each text remain. Empty: for ever.",
    )
    record_keep_days: int | None = Field(
        None,
        ge=30,
        le=36_500,
        description="Days after a notification and its item have ended in which its row is kept; not less than "
        "TEXTS_KEEP_DAYS. What still prevents telling a company twice is kept longer. Empty: for ever.",
    )
    retention_cron: Cron = Field(
        "30 3 * * *",
        description="When to remove what TEXTS_KEEP_DAYS and RECORD_KEEP_DAYS say: cron fields as in EXPIRY_SCAN_CRON, "
        "but in UTC.",
    )

    email_rate: PositiveFloat = Field(20, description="Most e-mails a second, over all workers.")
    email_company_rate: PositiveFloat = Field(5, description="Most e-mails a second to one company.")
    telegram_rate: PositiveFloat = Field(
        30, description="Most Telegram messages a second, over all workers. Telegram allows about 30."
    )
    telegram_chat_rate: PositiveFloat = Field(
        1, description="Most Telegram messages a second to one chat. Telegram allows 1."
    )
    telegram_group_rate_per_minute: PositiveFloat = Field(
        20, description="Most Telegram messages a minute to one group. Telegram allows 20."
    )
    test_limit_per_key: PositiveInt = Field(
        60, description="Most test notifications an hour that POST /notifications/test opens for one API key."
    )
    test_limit: PositiveInt = Field(300, description="The same limit for all API keys together.")
    test_max_waiting: PositiveInt = Field(
        50, description="Most test notifications that may be open at a time. The API refuses more with 429."
    )
    test_recipients: Annotated[list[str], NoDecode, BeforeValidator(_split)] = Field(
        [],
        description="Who may get test notifications: addresses, chat ids and @domain, comma-separated. Empty: anybody.",
    )
    urgent_share: float = Field(
        0.1, gt=0, lt=1, description="Share of each channel's rate that is reserved for tests and alerts."
    )

    smtp_max_connections: PositiveInt = Field(
        20, description="Most connections that a worker keeps to the mail server. Postfix allows a client 50."
    )
    smtp_messages_per_connection: PositiveInt = Field(100, description="Most messages sent over one connection.")
    smtp_idle_timeout: Seconds = Field(
        30, description="Seconds after which an idle connection to the mail server is closed."
    )

    email_retry_initial: Seconds = Field(
        30, description="Seconds before an e-mail's second attempt; each later gap doubles, up to 30 minutes."
    )
    telegram_retry_initial: Seconds = Field(
        5, description="Seconds before a Telegram message's second attempt; each later gap doubles, up to 10 minutes."
    )
    email_attempt_timeout: Seconds = Field(
        660, description="Most seconds for one attempt by e-mail. RFC 5321 allows 600 for the answer to DATA's end."
    )
    telegram_attempt_timeout: Seconds = Field(60, description="Most seconds for one attempt by Telegram.")
    operator_fault_retry: Seconds = Field(
        300, description="Seconds between attempts while the provider refuses our credentials or settings."
    )
    internal_error_give_up: Seconds = Field(
        86_400,
        description="Seconds after which a delivery is given up if every attempt in that time failed because of an "
        "error in this application (internal_error).",
    )
    pause_retry: Seconds = Field(
        60, description="While sending is paused: seconds between checks of whether it was resumed."
    )
    waiting_searchable: Literal["on", "off"] = Field(
        "on",
        description="on: a notification that waits long for a provider has the search attribute WaitingFor. off: "
        "releases before 0.6.0 can go on with its workflow.",
    )
    give_up_after: Seconds | None = Field(
        None,
        description="Seconds after which any notification is given up. Empty: expiring at the item's end, "
        "expired after 7 days, test after 15 minutes, alert after a day. "
        "Quiet hours do not hold a notification in its last hour.",
    )

    renew_url_template: str | None = Field(
        None, description="Link to renew; {slug} is the project's slug, percent-encoded. The worker requires it."
    )
    renew_content_url_template: str | None = Field(
        None,
        description="Link to renew AR content that has an end of its own; {slug} is its slug, {project} its project's. "
        "Empty: texts about such AR content have no link and name SUPPORT_EMAIL.",
    )
    support_email: EmailStr | None = Field(
        None, description="Support address shown to companies. The worker and the API require it."
    )

    public_url: HttpUrl | None = Field(
        None, description="URL at which companies reach the API, over HTTPS. Empty: e-mails have no unsubscribe link."
    )
    unsubscribe_secret: SecretStr | None = Field(
        None,
        description="Signs the unsubscribe links; at least 32 characters. Required with PUBLIC_URL. "
        "A new secret invalidates the links that were sent before.",
    )
    unsubscribe_secret_file: Path | None = Field(None, description="A file that holds UNSUBSCRIBE_SECRET.")

    daily_summary_cron: CronOrOff = Field(
        "0 8 * * *",
        description="When to send the daily summary to ADMIN_EMAIL and TELEGRAM_ADMIN_CHAT_ID: cron fields as in "
        "EXPIRY_SCAN_CRON, in EXPIRY_SCAN_TIMEZONE. off: never.",
    )
    health_check_interval: int = Field(
        300, ge=1, le=TEN_YEARS, description="Seconds between checks of the system's health."
    )
    health_api_url: HttpUrl | None = Field(
        None, description="URL at which the worker reaches the API, for the health check. Empty: API_URL."
    )
    health_ping_url: HttpUrl | None = Field(
        None, description="URL of an external monitor, called after each health check that found no problem."
    )
    health_address: ListenAddress | None = Field(
        None,
        description="Address at which the worker answers /livez and /readyz, as host:port, such as 0.0.0.0:8080; "
        "port 0 takes a free one. Empty: it answers neither.",
    )
    queue_backlog_limit: PositiveInt = Field(100, description="Most tasks that may wait in a task queue.")
    queue_age_limit: Seconds = Field(900, description="Most seconds that a task may wait in a task queue.")
    scan_late_after: Seconds = Field(
        3600, description="Seconds after its scheduled time within which a scan or deactivation must have ended."
    )
    untold_within: Seconds = Field(
        259_200,
        description="Seconds before an item's end within which it is a problem if no notification of it was accepted.",
    )
    disk_limit: float = Field(90, gt=0, le=100, description="Most percent of the worker's disk that may be in use.")
    memory_limit: float = Field(95, gt=0, le=100, description="Most percent of its host's memory that may be in use.")
    cpu_limit: PositiveFloat = Field(
        200, description="Most load of its host over 15 minutes, in percent of its cores; 100: all of them are busy."
    )

    api_host: str = Field("127.0.0.1", description="Address that the API listens on.")
    api_port: int = Field(8000, ge=0, le=65535, description="Port that the API listens on; 0: a free one.")
    api_max_connections: PositiveInt = Field(
        500, description="Most connections of clients that an API process keeps open at a time."
    )
    api_request_timeout: Seconds = Field(
        30, description="Seconds within which a client of the API must send its request, or read more of an answer."
    )
    api_url: str = Field(
        "http://localhost:8000", description="URL of the API in a browser; used in the Web UI's links."
    )
    api_keys: SecretStr | None = Field(
        None,
        description="Keys that callers may send as X-API-Key, comma-separated, of at least 32 characters each. "
        "Write name:key, and logs and the record say which caller did something. "
        "The API requires one unless API_AUTH=off.",
    )
    api_keys_file: Path | None = Field(None, description="A file that holds API_KEYS.")
    api_auth: Literal["on", "off"] = Field("on", description="off: the API requires no key.")

    metrics_address: ListenAddress | None = Field(
        None,
        description="Address at which the worker serves metrics for Prometheus, as host:port, such as 127.0.0.1:9464; "
        "port 0 takes a free one. Each worker of a host needs its own. Empty: no metrics.",
    )
    api_metrics_address: ListenAddress | None = Field(
        None, description="Address at which the API serves metrics, as METRICS_ADDRESS for the worker."
    )

    metrics_state_interval: Seconds = Field(
        60, description="Seconds between two readings of the database's state for the metrics."
    )

    otel_exporter_otlp_endpoint: HttpUrl | None = Field(
        None,
        description="URL of an OpenTelemetry collector (OTLP over HTTP, protobuf), such as http://localhost:4318. "
        "Empty: no traces. OpenTelemetry reads its other variables itself, such as OTEL_EXPORTER_OTLP_HEADERS.",
    )
    otel_exporter_otlp_traces_endpoint: HttpUrl | None = Field(
        None, description="The collector's whole URL for traces. Empty: OTEL_EXPORTER_OTLP_ENDPOINT with /v1/traces."
    )

    log_format: Literal["json", "console"] = Field("json", description="json for machines, console for people.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The lowest level to log.")

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """The settings from the environment. Raises `SettingsError` with one line that names what is wrong."""
        try:
            return cls(**overrides)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            name = "_".join(str(part) for part in first["loc"][:1]).upper()
            message = plain(first)
            raise SettingsError(f"{name}: {message}" if name else message) from None

    @field_validator("expiry_scan_timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{value!r} is not an IANA time zone such as Europe/Berlin") from None
        return value

    @field_validator("expiry_thresholds_days")
    @classmethod
    def _sane_thresholds(cls, value: list[int]) -> list[int]:
        if wrong := [days for days in value if not 0 <= days <= 365]:
            raise ValueError(f"days must be between 0 and 365, not {wrong[0]}")
        return sorted(set(value), reverse=True)

    @field_validator("worker_deployment", "worker_build_id")
    @classmethod
    def _names_a_version(cls, value: str | None, info: ValidationInfo) -> str | None:
        dots = "." if info.field_name == "worker_build_id" else ""
        if value is not None and not re.fullmatch(rf"[A-Za-z0-9_+{dots}-]{{1,100}}", value):
            raise ValueError(
                f"{value!r} is not a name of at most 100 letters, digits, {'dots, ' if dots else ''}'-', '+' and '_'"
            )
        return value

    @field_validator("renew_url_template")
    @classmethod
    def _formats(cls, value: str | None) -> str | None:
        try:
            TypeAdapter(HttpUrl | None).validate_python(value and value.format(slug="x"))
        except (AttributeError, KeyError, IndexError, ValueError):
            raise ValueError("must be a URL whose only placeholder is {slug}") from None
        return value

    @field_validator("renew_content_url_template")
    @classmethod
    def _formats_for_content(cls, value: str | None) -> str | None:
        try:
            TypeAdapter(HttpUrl | None).validate_python(value and value.format(slug="x", project="y"))
        except (AttributeError, KeyError, IndexError, ValueError):
            raise ValueError("must be a URL whose only placeholders are {slug} and {project}") from None
        return value

    @field_validator("telegram_api_url")
    @classmethod
    def _keeps_the_token_secret(cls, value: HttpUrl) -> HttpUrl:
        if value.scheme != "https" and not is_loopback(value.host):
            raise ValueError("must begin with https://, or the bot's token would be sent in the clear")
        return value

    @field_validator("smtp_from_name")
    @classmethod
    def _is_a_name(cls, value: str | None) -> str | None:
        if value is not None:
            require_no_placeholder("SMTP_FROM_NAME", value)
        return value

    @field_validator(
        "smtp_host", "smtp_ehlo_host", "smtp_from_email", "smtp_bounce_address", "admin_email", "support_email"
    )
    @classmethod
    def _is_no_example(cls, value: str | None) -> str | None:
        if value is not None and is_example(value.rpartition("@")[2]):
            raise ValueError(f"{value} is an example: write your own")
        return value

    @field_validator("renew_url_template", "renew_content_url_template", "public_url", "health_ping_url")
    @classmethod
    def _leads_to_no_example(cls, value: HttpUrl | str | None) -> HttpUrl | str | None:
        if value is not None and is_example(urlsplit(str(value)).hostname or ""):
            raise ValueError(f"{value} is an example: write your own")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in SECRETS:
            if getattr(self, name) is not None and getattr(self, f"{name}_file") is not None:
                raise ValueError(f"{name.upper()}: set this or {name.upper()}_FILE, not both")
            self.secret(name)
        for name in ("smtp_from_email", "smtp_from_name"):
            if self.smtp_host and getattr(self, name) is None:
                raise ValueError(_missing(name, "required when SMTP_HOST is set"))
        mailbox = (self.smtp_bounce_address or "").rpartition("@")[0]
        if len(mailbox) > LONGEST_BOUNCE_MAILBOX or not mailbox.isascii():
            raise ValueError(
                f"SMTP_BOUNCE_ADDRESS: the part before the @ must be ASCII and at most {LONGEST_BOUNCE_MAILBOX} "
                "characters long, because a tag of up to 37 is added to it"
            )
        self._check_retention()
        if self.worker_build_id and self.worker_deployment is None:
            raise ValueError("WORKER_BUILD_ID: set WORKER_DEPLOYMENT too, or leave this empty")
        if self.public_url and (self.public_url.query or self.public_url.fragment):
            raise ValueError("PUBLIC_URL: must not contain ? or #, since paths are added to it")
        if self.public_url and self.public_url.scheme != "https" and not is_loopback(self.public_url.host):
            raise ValueError(
                "PUBLIC_URL: must begin with https://, or mail programs show no unsubscribe button (RFC 8058)"
            )
        if self.smtp_username and not self.smtp_tls.encrypts() and not is_loopback(self.smtp_host):
            raise ValueError("SMTP_TLS: none would send SMTP_PASSWORD in the clear; use starttls or implicit")
        return self

    def _check_retention(self) -> None:
        keep = self.record_keep_days
        if keep is None:
            return
        if self.texts_keep_days is not None and keep < self.texts_keep_days:
            raise ValueError(
                f"RECORD_KEEP_DAYS: must not be less than TEXTS_KEEP_DAYS ({self.texts_keep_days}): "
                "a text goes with its row"
            )
        if keep * 24 < self.expiry_cooldown_hours:
            raise ValueError(
                f"RECORD_KEEP_DAYS: must not be less than EXPIRY_COOLDOWN_HOURS ({self.expiry_cooldown_hours:g} "
                "hours): the cooldown needs the row of the last notification"
            )

    @property
    def texts_kept_for(self) -> timedelta | None:
        """TEXTS_KEEP_DAYS. None: for ever."""
        return None if self.texts_keep_days is None else timedelta(days=self.texts_keep_days)

    @property
    def record_kept_for(self) -> timedelta | None:
        """RECORD_KEEP_DAYS. None: for ever."""
        return None if self.record_keep_days is None else timedelta(days=self.record_keep_days)

    def secret(self, name: str) -> str | None:
        """The secret as it is now, from its file where one is set. Raises ValueError, which does not quote it, if the
        file cannot be read or the secret is malformed or easy to guess."""
        path: Path | None = getattr(self, f"{name}_file")
        given: SecretStr | None = getattr(self, name)
        value = given.get_secret_value() if given is not None else None
        if path is not None:
            try:
                value = path.read_text(encoding="utf-8").strip() or None
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
                raise ValueError(f"{name.upper()}_FILE: cannot read {path}: {reason}") from None
        if value is not None:
            require_no_placeholder(name.upper(), value)
            if name == "telegram_proxy":
                require_proxy_url(name.upper(), value)
            for each in _parts(name, value):
                if name in MADE_BY_US:
                    require_strength(name.upper(), each)
        return value

    def needed(self, name: str) -> str:
        """The setting of that field name. Raises `SettingsError` if it is not set."""
        value: str | None = getattr(self, name)
        if value is None:
            raise SettingsError(_missing(name, "required"))
        return value

    def optional_secret(self, name: str) -> str | None:
        """The secret as it is now, if there is one. Raises `SettingsError` if its file cannot be read or it is
        malformed."""
        try:
            return self.secret(name)
        except ValueError as error:
            raise SettingsError(str(error)) from None

    def needed_secret(self, name: str, why: str) -> str:
        """The secret as it is now. Raises `SettingsError`, which says why it is needed, if there is none."""
        value = self.optional_secret(name)
        if value is None:
            raise SettingsError(f"{name.upper()}: required{why}")
        return value

    def database(self) -> str:
        """DATABASE_URL. Raises `SettingsError` if it is not set."""
        return self.needed_secret("database_url", ", as postgresql://user:password@host:5432/name")

    @property
    def unsubscribe_configured(self) -> bool:
        """Whether e-mails have a link to unsubscribe."""
        return self.public_url is not None and (
            self.unsubscribe_secret is not None or self.unsubscribe_secret_file is not None
        )

    @property
    def traces_endpoint(self) -> str | None:
        """Where traces go. None: nowhere."""
        if self.otel_exporter_otlp_traces_endpoint is not None:
            return str(self.otel_exporter_otlp_traces_endpoint)
        base = self.otel_exporter_otlp_endpoint
        return None if base is None else f"{str(base).rstrip('/')}/v1/traces"

    @property
    def sender(self) -> str:
        """SMTP_FROM_EMAIL. Raises `SettingsError` if it is not set; with SMTP_HOST it always is."""
        return self.needed("smtp_from_email")


def _parts(name: str, secret: str) -> list[str]:
    """Returns the secrets in a setting: API_KEYS has several. Raises ValueError, which quotes none."""
    if name != "api_keys":
        return [secret]
    try:
        return [each.key for each in parse_keys(secret)]
    except ValueError as error:
        raise ValueError(f"{name.upper()}: {error}") from None


def _missing(name: str, why: str) -> str:
    description = Settings.model_fields[name].description or ""
    return f"{name.upper()}: {why}, and has no default. {description}"
