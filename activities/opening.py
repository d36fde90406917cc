"""Opens a notification with recipients of its own: a test or an alert."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from channels.configured import deliveries_to_send
from channels.registry import find_channel
from contracts.keys import NotificationType, give_up_at
from contracts.scanning import StartableNotification
from db.record.open import AddressedNotification, open_addressed
from settings import Settings


@dataclass(frozen=True)
class NewAddressed:
    """A notification to open. `recipients` are addresses by channel name, each valid for its channel."""

    notification_type: NotificationType
    dedupe_key: str
    recipients: Mapping[str, str]
    subject: str | None = None
    message: str | None = None
    html: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


async def open_to_recipients(
    connection: AsyncConnection, settings: Settings, new: NewAddressed, now: datetime
) -> StartableNotification:
    """Opens the notification in one statement. Returns what its workflow is started with.

    Raises `IntegrityError` if it runs twice, and `ValueError` for an address that its channel refuses.
    """
    addressed = AddressedNotification(
        notification_type=new.notification_type,
        dedupe_key=new.dedupe_key,
        give_up_at=give_up_at(new.notification_type, now, None, settings.give_up_after),
        recipients=new.recipients,
        recipient_keys={name: _key(name, address) for name, address in new.recipients.items()},
        subject=new.subject,
        message=new.message,
        html=new.html,
        metadata=new.metadata,
    )
    opened = await open_addressed(connection, addressed)
    return StartableNotification(
        notification_id=opened.notification_id,
        notification_type=new.notification_type,
        workflow_id=new.dedupe_key,
        give_up_at=addressed.give_up_at,
        deliveries=deliveries_to_send(settings)(new.notification_type, None, opened.deliveries),
    )


def _key(name: str, address: str) -> str:
    channel = find_channel(name)
    if channel is None:
        raise ValueError(f"There is no channel {name!r}")
    return channel.address_key(address)
