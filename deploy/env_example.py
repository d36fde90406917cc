"""Writes `.env.example` from `settings.py`, so that they cannot differ: `python -m deploy.env_example`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from enum import Enum
from pathlib import Path

from runtime.weak_settings import PLACEHOLDER
from settings import Settings

FILE = Path(__file__).parent.parent / ".env.example"

EXAMPLES = {
    "database_url": f"postgresql://expiry:{PLACEHOLDER}@localhost:5432/expiry",
    "smtp_host": "smtp.example.com",
    "smtp_from_email": "notices@example.com",
    "smtp_from_name": PLACEHOLDER,
    "renew_url_template": "https://example.com/projects/{slug}/renew",
    "support_email": "support@example.com",
    "api_keys": PLACEHOLDER,
}
"""The required settings. They are uncommented, with an example of their form, which the settings refuse."""

TEMPORAL = {
    "TEMPORAL_ADDRESS": ("localhost:7233", "Temporal's front end, as host:port."),
    "TEMPORAL_NAMESPACE": ("default", "The namespace that holds the workflows and Schedules."),
    "TEMPORAL_TLS": ("", "true: TLS without a client certificate."),
    "TEMPORAL_TLS_CLIENT_CERT_PATH": ("", "The client's certificate (PEM), for mTLS. Read again when it changes."),
    "TEMPORAL_TLS_CLIENT_KEY_PATH": ("", "The key of that certificate (PEM). Read again when it changes."),
    "TEMPORAL_TLS_SERVER_CA_CERT_PATH": ("", "CA certificates (PEM) to trust for Temporal. Empty: the system's."),
    "TEMPORAL_TLS_SERVER_NAME": ("", "The name to expect in Temporal's certificate, if it differs from the address."),
}
"""The default and meaning of the main settings that `temporalio.envconfig` reads."""

HEADER = """\
# All settings. `python -m deploy.env_example` writes this file from settings.py: change them there.
# A commented line shows the default. The other lines are required and have no default: replace each value, because
# no program starts with the example. If you send by Telegram only, comment SMTP_* out.
#
# Docker Compose reads a copy of this file named .env. It takes secrets from .secrets/ instead, and runs its own
# database and Temporal. Without Compose: set -a; . ./.env; set +a
# Every secret can be in a file instead: set NAME_FILE to its path, and not NAME.
"""


def env_example() -> str:
    """The text of `.env.example`."""
    return HEADER + "".join(f"\n{entry}" for entry in (*_settings(), *_temporal()))


def as_text(value: object) -> str:
    """A setting's value as an environment variable holds it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(str(part) for part in value)
    return str(value.value if isinstance(value, Enum) else value)


def _settings() -> Iterable[str]:
    for name, field in Settings.model_fields.items():
        example = EXAMPLES.get(name)
        value = as_text(field.default) if example is None else example
        yield _entry(name.upper(), value, field.description or "", commented=example is None)


def _temporal() -> Iterable[str]:
    for name, (default, meaning) in TEMPORAL.items():
        yield _entry(name, default, meaning, commented=True)


def _entry(name: str, value: str, meaning: str, *, commented: bool) -> str:
    # Quoted for a shell. Compose, systemd and python-dotenv read single quotes the same way.
    assignment = f"{name}={shlex.quote(value) if value else ''}"
    return f"# {meaning}\n{'#' if commented else ''}{assignment}\n"


if __name__ == "__main__":
    FILE.write_text(env_example(), encoding="utf-8")
    sys.stdout.write(f"{FILE.name}: {len(Settings.model_fields) + len(TEMPORAL)} settings\n")
