"""What several queries about the record must agree on. SQL, of a delivery `d` and its notification `n`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, BindParameter, Text, bindparam

from contracts.keys import NotificationType, is_about_an_item
from contracts.sending import ALWAYS_DELIVERED


@dataclass(frozen=True)
class OpenedDelivery:
    """A delivery, and where it goes as the database has it today."""

    delivery_id: int
    channel: str
    address: str | None
    """None: there is none."""


def always_delivered() -> BindParameter[Any]:
    """The parameter of a statement that uses `IN_ORDER` or `WANTED`; its value comes with it."""
    return bindparam("always_delivered", list(ALWAYS_DELIVERED), type_=ARRAY(Text))


ABOUT_AN_ITEM = "n.notification_type IN ({})".format(
    ", ".join(f"'{each.value}'" for each in NotificationType if is_about_an_item(each))
)
"""Whether it is about a project or AR content. The function `held_until` of the migrations says the same."""

IN_ORDER = "array_position(:always_delivered, d.channel), d.id"
"""For ORDER BY: the channels of which every notification has a delivery come first, then all others as they were
opened."""

RECIPIENT = """\
LEFT JOIN contacts contact ON contact.id = d.contact_id
    CROSS JOIN LATERAL (
        SELECT coalesce(n.metadata ->> (d.channel || '_recipient'), contact.address) AS address,
               coalesce(n.metadata ->> (d.channel || '_recipient_key'),
                        lower(n.metadata ->> (d.channel || '_recipient')), contact.address_key) AS key,
               coalesce(contact.enabled, true) AS enabled
    ) recipient"""
"""A join: where the delivery goes. The notification's own recipient goes before the contact, whose address is as it is
today, so that an open delivery follows a correction. With neither there is no address: opening finds every contact that
the company has, and an import keeps one for each of its channels, with or without an address."""

SUPPRESSED = """\
LEFT JOIN suppressions suppressed ON suppressed.channel = d.channel AND suppressed.address = recipient.key"""
"""A join, after RECIPIENT: why that address is used no more."""

DELIVERIES = f"""\
(
    SELECT coalesce(json_agg(
        json_build_object('delivery_id', d.id, 'channel', d.channel, 'address', recipient.address,
                          'reopened', d.reopened_at IS NOT NULL)
        ORDER BY {IN_ORDER}), '[]')
    FROM deliveries d
    {RECIPIENT}
    WHERE d.notification_id = n.id
)"""  # noqa: S608 - made of constants
"""The deliveries of the notification as `opened_deliveries` reads them."""


def opened_deliveries(listed: Sequence[Mapping[str, Any]]) -> list[OpenedDelivery]:
    return [
        OpenedDelivery(delivery_id=each["delivery_id"], channel=each["channel"], address=each["address"])
        for each in listed
    ]


STATUS_OF_ENDS = """\
CASE WHEN bool_or(ends.status = 'accepted') THEN 'delivered'
     WHEN bool_or(ends.status = 'unknown') THEN 'in_doubt'
     ELSE 'undelivered' END"""
"""How the ends of all deliveries, rows `ends`, make the notification's status. An aggregate."""

WANTED = """\
(
    SELECT contact.channel, contact.id AS contact_id
    FROM contacts contact
    WHERE contact.company_id = n.company_id
      AND (contact.channel = ANY(:always_delivered) OR contact.enabled AND contact.address IS NOT NULL)
  UNION ALL
    SELECT always.channel, NULL
    FROM unnest(:always_delivered) AS always (channel)
    WHERE NOT EXISTS (
        SELECT FROM contacts contact WHERE contact.company_id = n.company_id AND contact.channel = always.channel
    )
)"""
"""The deliveries that a company's notification is opened with: one for each contact, and one for each channel of which
every notification has one. A contact that is disabled or without an address has one on these channels only, which says
why nobody was told there."""
