"""Reads an address that somebody wrote without naming its channel."""

from __future__ import annotations

from channels.registry import channels, names
from db.record.filters import Recipient


def recipients_named(address: str, channel: str | None = None) -> list[Recipient]:
    """Returns the address on each channel that takes it, or on the named one only. Raises ValueError with a sentence
    for people if none takes it."""
    found: list[Recipient] = []
    reasons: list[str] = []
    for each in channels():
        if channel is not None and each.name != channel:
            continue
        try:
            found.append(Recipient(each.name, address, each.address_key(address)))
        except ValueError as error:
            reasons.append(str(error))
    if found:
        return found
    if len(reasons) == 1:
        raise ValueError(reasons[0])
    raise ValueError(f"{address[:60]!r} is not an address on any channel: {', '.join(names())}")
