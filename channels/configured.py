"""The channels that this installation uses, and what they need together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from channels.base import Channel, Scrub
from channels.registry import channels, find_channel
from contracts.keys import NotificationType, own_fairness_key
from contracts.sending import DeliveryToSend, Fairness, SendOptions
from db.record.rules import OpenedDelivery
from db.record.startable import ToSend
from settings import Settings, SettingsError
from texts.renderer import Renderer

ChannelFairness = Callable[[int | None, str | None], Fairness]


def configured_channels(settings: Settings) -> list[Channel]:
    """Returns the channels that can send."""
    return [channel for channel in channels() if channel.is_configured(settings)]


def require_a_channel(settings: Settings) -> None:
    """Raises `SettingsError` if no channel is configured: every notification would end as skipped."""
    if not configured_channels(settings):
        needed = " or ".join(channel.needs for channel in channels())
        raise SettingsError(f"set {needed}: no channel is configured")


def require_to_send(settings: Settings) -> None:
    """Raises `SettingsError` if what the texts and the configured channels need to send is not complete."""
    require_a_channel(settings)
    settings.needed("renew_url_template")
    settings.needed("support_email")
    for channel in configured_channels(settings):
        channel.require_settings(settings)


def send_options(settings: Settings) -> SendOptions:
    """Returns the settings that travel in workflow inputs."""
    return SendOptions.of(
        settings.task_queue_prefix,
        {channel.name: channel.options(settings) for channel in channels()},
        settings.api_url.rstrip("/"),
        waiting_searchable=settings.waiting_searchable == "on",
    )


def deliveries_to_send(settings: Settings) -> ToSend:
    """Gives each delivery its share of its queue's limit. A channel's secret is read once, on first use."""

    @cache
    def fairness_on(name: str) -> ChannelFairness | None:
        channel = find_channel(name)
        return channel.fairness(settings) if channel else None

    def share(notification_type: NotificationType, company_id: int | None, delivery: OpenedDelivery) -> Fairness:
        if (key := own_fairness_key(notification_type)) is not None:
            return Fairness(key)
        fairness = fairness_on(delivery.channel)
        return fairness(company_id, delivery.address) if fairness else Fairness()

    def to_send(
        notification_type: NotificationType, company_id: int | None, deliveries: Sequence[OpenedDelivery]
    ) -> list[DeliveryToSend]:
        return [
            DeliveryToSend(each.delivery_id, each.channel, share(notification_type, company_id, each))
            for each in deliveries
        ]

    return to_send


def admin_recipients(settings: Settings) -> dict[str, str]:
    """Returns the addresses that receive alerts, by channel name."""
    addresses = {channel.name: channel.admin_address(settings) for channel in channels()}
    return {name: address for name, address in addresses.items() if address is not None}


def new_renderer(settings: Settings) -> Renderer:
    """Creates the renderer for all channels' texts. Raises `LanguageError`, and `SettingsError` if one is missing that
    the texts need."""
    parts = {name: folder for channel in channels() for name, folder in channel.parts.items()}
    return Renderer(
        settings.needed("renew_url_template"),
        settings.needed("support_email"),
        parts,
        renew_content_url_template=settings.renew_content_url_template,
    )


def scrub(text: str) -> str:
    """Removes from a text what no log may show, for all channels. Linear, but the caller cuts a long text first."""
    for each in _scrubs():
        text = each(text)
    return text


@cache
def _scrubs() -> list[Scrub]:
    return [each for channel in channels() for each in channel.scrubbed]
