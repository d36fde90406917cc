"""Makes links with slugs in them."""

from __future__ import annotations

from urllib.parse import quote

from runtime.names import STEPS


def link(template: str, **slugs: str) -> str | None:
    """Returns the URL. Every character of a slug that could end its part of a path, or begin another, is escaped. None:
    a slug is a step, which no escaping helps."""
    if STEPS & set(slugs.values()):
        return None
    return template.format(**{name: quote(slug, safe="") for name, slug in slugs.items()})
