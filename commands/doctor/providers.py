"""Checks of what answers over the network: mail server, Telegram, our own API. Nothing is sent."""

from __future__ import annotations

from activities.health.api import look_at_api
from activities.health.provider import look_at_provider
from channels.base import Channel
from channels.configured import new_renderer
from commands.doctor.installation import Installation
from commands.doctor.result import Result, not_checked, of_findings


async def look_at_channel(channel: Channel, installation: Installation) -> Result:
    """Logs in to the provider as a worker does. Raises `SettingsError`."""
    settings = installation.settings
    async with channel.open(settings, new_renderer(settings), connections=1) as sender:
        findings = await look_at_provider(settings, channel, sender)
    return of_findings(findings, f"{channel.provider_address(settings)}: it answers and takes our credentials")


async def look_at_own_api(installation: Installation) -> Result:
    """Asks the API whether it is ready, if the settings say where it is."""
    settings = installation.settings
    if not {"health_api_url", "api_url"} & settings.model_fields_set:
        return not_checked("HEALTH_API_URL is not set.", "Set it to the URL of the API, as seen from here.")
    url = str(settings.health_api_url or settings.api_url).rstrip("/")
    return of_findings(await look_at_api(settings, await installation.http()), f"{url} is ready")
