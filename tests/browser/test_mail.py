"""What a company sees when it opens the mail."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, Request, expect

from tests.browser.pictures import TakePicture
from tests.browser.story import COMPANY, CONTENTS, PROJECT, Story

pytestmark = pytest.mark.browser

READING_PANE = 720
"""Pixels: what a mail client on a desktop leaves for the message."""


async def test_the_mail_says_what_ends_when_and_how_to_renew_it(
    page: Page, story: Story, take_picture: TakePicture
) -> None:
    await page.set_viewport_size({"width": READING_PANE, "height": 100})
    await page.set_content(html_part(story))
    await expect(page.get_by_text(f"Hello {COMPANY}")).to_be_visible()
    await expect(page.get_by_text(f"Your project {PROJECT} ends in 3 days")).to_be_visible()
    for title in CONTENTS:
        await expect(page.get_by_role("listitem").filter(has_text=title)).to_be_visible()
    link = page.get_by_role("link", name="Renew the project")
    await expect(link).to_be_visible()
    await expect(link).to_have_attribute("href", story.renew_url)
    await take_picture(page, "mail.png")


@pytest.mark.parametrize("width", [320, 375, 600])
async def test_the_mail_fits_a_phone(page: Page, story: Story, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 600})
    await page.set_content(html_part(story))
    assert await page.evaluate("document.documentElement.scrollWidth") == width


async def test_the_mail_fetches_nothing_when_it_is_opened(page: Page, story: Story) -> None:
    requested: list[Request] = []
    page.on("request", lambda request: requested.append(request))  # noqa: PLW0108 - Playwright takes no built-in
    await page.set_content(html_part(story), wait_until="networkidle")
    assert requested == []


def html_part(story: Story) -> str:
    part = story.mail.message.get_body(("html",))
    assert part is not None
    return str(part.get_content())
