"""Pictures of pages."""

from __future__ import annotations

from typing import Protocol

from playwright.async_api import Locator, Page


class TakePicture(Protocol):
    async def __call__(self, page: Page, name: str, *, down_to: Locator | None = None) -> None:
        """Saves the page as it is shown: from its top to the end of `down_to`, or of all it holds."""
