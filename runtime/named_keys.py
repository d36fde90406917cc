"""API keys that may have names, so that logs and the record say which caller did something."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runtime.weak_settings import SHORTEST_SECRET

_NAMED = re.compile(rf"(?P<name>[A-Za-z][A-Za-z0-9._-]{{0,39}}):(?P<key>.{{{SHORTEST_SECRET},}})", re.DOTALL)


@dataclass(frozen=True)
class ApiKey:
    """A key, which stands in the setting as `name:key` or alone."""

    name: str | None
    key: str
    written: str
    """The whole entry. A caller may send this too: before keys had names, an entry with a colon was a key."""


def parse_keys(value: str) -> list[ApiKey]:
    """Reads comma-separated keys. An entry whose part behind the colon is too short for a key is a key without a name.
    Raises ValueError, which quotes no key, if two have one name."""
    keys = [_parse(entry.strip()) for entry in value.split(",") if entry.strip()]
    names = [key.name for key in keys if key.name is not None]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"two keys have the name {twice}: give each its own")
    return keys


def _parse(entry: str) -> ApiKey:
    if named := _NAMED.fullmatch(entry):
        return ApiKey(named["name"], named["key"], entry)
    return ApiKey(None, entry, entry)
