"""Checks of this release: what it is, and whether its settings are complete."""

from __future__ import annotations

import asyncio
import platform
from importlib.metadata import version as version_of

from channels.configured import admin_recipients, configured_channels, new_renderer, require_to_send
from commands.doctor.installation import Installation
from commands.doctor.result import Result, ok, warning
from runtime.version import commit, release, version


async def look_at_release(_installation: Installation) -> Result:
    """Says what runs here."""
    said = await asyncio.to_thread(release)
    python, sdk = platform.python_version(), version_of("temporalio")
    return ok(
        f"expiry-notifier {said}, Python {python}, temporalio {sdk}",
        version=version(),
        commit=commit(),
        python=python,
        temporalio=sdk,
    )


async def look_at_settings(installation: Installation) -> Result:
    """Checks what a worker requires when it starts. Raises `SettingsError`."""
    settings = installation.settings
    require_to_send(settings)
    await asyncio.to_thread(new_renderer, settings)
    channels = [channel.name for channel in configured_channels(settings)]
    admins = list(admin_recipients(settings))
    says = f"complete for a worker; channels: {', '.join(channels)}"
    if not set(admins) & set(channels):
        return warning(
            f"{says}; nobody receives alerts",
            "Set ADMIN_EMAIL or TELEGRAM_ADMIN_CHAT_ID.",
            channels=channels,
            alerts=admins,
        )
    return ok(f"{says}; alerts: {', '.join(admins)}", channels=channels, alerts=admins)
