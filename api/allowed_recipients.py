"""Who may get test notifications: TEST_RECIPIENTS."""

from __future__ import annotations

from fastapi.exceptions import RequestValidationError

from api.requests import NewTestNotification
from channels.registry import channels, find_channel
from settings import Settings, SettingsError


class AllowedRecipients:
    """The recipients that the setting names, or all if it names none."""

    def __init__(self, settings: Settings) -> None:
        """Raises `SettingsError` for an entry that is neither `@domain` nor an address of any channel."""
        self._domains = {each.removeprefix("@").lower() for each in settings.test_recipients if each.startswith("@")}
        addresses = [each for each in settings.test_recipients if not each.startswith("@")]
        self._keys = {key for each in addresses for key in _keys_of(each)}
        self._everybody = not settings.test_recipients

    def check(self, test: NewTestNotification) -> None:
        """Raises `RequestValidationError`, which names the field, for a recipient that is not allowed."""
        refused = [name for name, address in test.addresses().items() if not self._allows(name, address)]
        if refused:
            raise RequestValidationError(
                [
                    {
                        "type": "not_allowed",
                        "loc": ("body", *test.field_of(name)),
                        "msg": "is not one of TEST_RECIPIENTS: ask the operators to add it",
                    }
                    for name in refused
                ]
            )

    def _allows(self, name: str, address: str) -> bool:
        channel = find_channel(name)
        if self._everybody or channel is None:
            return self._everybody
        key = channel.address_key(address)
        _, sign, domain = key.rpartition("@")
        return (name, key) in self._keys or (bool(sign) and domain in self._domains)


def _keys_of(entry: str) -> set[tuple[str, str]]:
    """Returns the entry's key on each channel whose address it is."""
    keys: set[tuple[str, str]] = set()
    for channel in channels():
        try:
            keys.add((channel.name, channel.address_key(entry)))
        except ValueError:
            continue
    if not keys:
        raise SettingsError(f"TEST_RECIPIENTS: {entry!r} is not an address, a chat id or @domain")
    return keys
