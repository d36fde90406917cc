"""The environment of the demo's processes, and the folders of the demo."""

from __future__ import annotations

import os
from collections.abc import Mapping

from local.programs import CHECKOUT
from settings import SECRETS

STATE = CHECKOUT / ".demo"
MAIL = STATE / "mail"

PROVIDERS = (
    "SMTP_HOST",
    "SMTP_PORT",
    "SMTP_USERNAME",
    "SMTP_PASSWORD",
    "SMTP_FROM_EMAIL",
    "SMTP_FROM_NAME",
    "SMTP_TLS",
    "SMTP_TLS_CA_FILE",
    "TELEGRAM_BOT_TOKEN",
    "TELEGRAM_API_URL",
    "TELEGRAM_ADMIN_CHAT_ID",
    "ADMIN_EMAIL",
)
"""Settings that could reach real people. The demo uses them only with DEMO_EXTERNAL=1."""

ADMIN_CHAT = "410000"
ADMIN_EMAIL = "operators@platform.example"

UNWATCHED = {"DISK_LIMIT": "100", "MEMORY_LIMIT": "100", "CPU_LIMIT": "100000"}
"""Limits so high that the demo never alerts about the machine it runs on."""

QUICK = {"EMAIL_RETRY_INITIAL": "1", "TELEGRAM_RETRY_INITIAL": "1", "GIVE_UP_AFTER": "30"}
"""Short retries, so that the demo ends soon: it gives up a delivery after half a minute."""


def own_folder() -> None:
    """Makes the demo's folder. Only its owner can read what is in it: mails, logs, addresses."""
    os.umask(0o077)
    STATE.mkdir(mode=0o700, exist_ok=True)
    STATE.chmod(0o700)


def external() -> bool:
    """Whether to use real providers."""
    return os.environ.get("DEMO_EXTERNAL") == "1"


def environment(endpoints: Mapping[str, str], stand_ins: Mapping[str, object], api_port: int) -> dict[str, str]:
    """The environment of the worker, the API and the commands: the caller's, changed to use the demo's servers."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
    for name in ("DATABASE_URL", "API_KEYS", *(() if external() else PROVIDERS)):
        inherited.pop(name, None)
        if name.lower() in SECRETS:
            inherited.pop(f"{name}_FILE", None)
    demo = {
        **QUICK,
        **UNWATCHED,
        "DATABASE_URL": endpoints["database_url"],
        "TEMPORAL_ADDRESS": endpoints["temporal_address"],
        "TEMPORAL_NAMESPACE": endpoints["temporal_namespace"],
        "TEMPORAL_UI_URL": endpoints["temporal_ui_url"],
        "API_HOST": "127.0.0.1",
        "API_PORT": str(api_port),
        "API_URL": f"http://127.0.0.1:{api_port}",
        "API_AUTH": "off",
    }
    if not external():
        demo |= {
            "SMTP_HOST": str(stand_ins["smtp_host"]),
            "SMTP_PORT": str(stand_ins["smtp_port"]),
            "SMTP_TLS": "none",
            "SMTP_FROM_EMAIL": "notices@platform.example",
            "SMTP_FROM_NAME": "Expiry notifier",
            "RENEW_URL_TEMPLATE": "https://platform.example/projects/{slug}/renew",
            "RENEW_CONTENT_URL_TEMPLATE": "https://platform.example/projects/{project}/contents/{slug}/renew",
            "SUPPORT_EMAIL": "support@platform.example",
            "TELEGRAM_API_URL": str(stand_ins["telegram_api_url"]),
            "TELEGRAM_BOT_TOKEN": str(stand_ins["telegram_bot_token"]),
            "TELEGRAM_ADMIN_CHAT_ID": ADMIN_CHAT,
            "ADMIN_EMAIL": ADMIN_EMAIL,
            "PUBLIC_URL": f"http://127.0.0.1:{api_port}",
            "UNSUBSCRIBE_SECRET": "of the demo only, which nobody else reaches",
        }
    return inherited | demo
