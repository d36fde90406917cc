"""SQL that several queries about the record share, about a delivery `d` and its notification `n`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, BindParameter, Text, bindparam

from contracts.keys import NotificationType, is_about_an_item
from contracts.sending import ALWAYS_DELIVERED


@dataclass(frozen=True)
class OpenedDelivery:
    """A delivery with its current address."""

    delivery_id: int
    channel: str
    address: str | None


def always_delivered() -> BindParameter[Any]:
    """Returns the parameter, with its value, of a statement that uses `IN_ORDER` or `WANTED`."""
    return bindparam("always_delivered", list(ALWAYS_DELIVERED), type_=ARRAY(Text))


ABOUT_AN_ITEM = "n.notification_type IN ({})".format(
    ", ".join(f"'{each.value}'" for each in NotificationType if is_about_an_item(each))
)
"""Whether it is about a project or AR content. The function `held_until` of the migrations says the same."""

IN_ORDER = "array_position(:always_delivered, d.channel), d.id"
"""For ORDER BY: the channels of ALWAYS_DELIVERED first, then the others in the order in which they were opened."""

RECIPIENT = """\
LEFT JOIN contacts contact ON contact.id = d.contact_id
    CROSS JOIN LATERAL (
        SELECT coalesce(n.metadata ->> (d.channel || '_recipient'), contact.address) AS address,
               coalesce(n.metadata ->> (d.channel || '_recipient_key'),
                        lower(n.metadata ->> (d.channel || '_recipient')), contact.address_key) AS key,
               coalesce(contact.enabled, true) AS enabled
    ) recipient"""
"""A join: where the delivery goes. The notification's own recipient takes precedence over the contact. The contact's
address is the current one, so an open delivery follows a correction. With neither there is no address: opening uses
every contact of the company, and an import keeps one for each of its channels, with or without an address."""

SUPPRESSED = """\
LEFT JOIN suppressions suppressed ON suppressed.channel = d.channel AND suppressed.address = recipient.key"""
"""A join, after RECIPIENT: the suppression of that address."""

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
     WHEN coalesce(bool_and(ends.status IN ('rejected', 'failed', 'skipped')), true) THEN 'undelivered' END"""
"""An aggregate: the notification's status from the ends of all its deliveries, the rows `ends`. Null, which the table
refuses, if one of them has not ended."""

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
"""The deliveries that a company's notification is opened with: one for each contact, and at least one on each channel
of ALWAYS_DELIVERED. A contact that is disabled or has no address gets one only on these channels; it records why
nothing was sent."""
