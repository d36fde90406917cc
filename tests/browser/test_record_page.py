"""What an operator sees of one notification's record, and the ways to it and back."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

import pytest
from playwright.async_api import Error, Page, Request, ViewportSize, expect

from tests.browser.pictures import TakePicture
from tests.browser.story import CHAT, COMPANY, EMAIL, PROJECT, Story
from tests.browser.test_mail_texts import CONTRASTS, DESKTOP, PHONE, READABLE, width_needed
from tests.browser.test_web_ui import open_notice

pytestmark = pytest.mark.browser

READING = 900
"""Pixels: as wide as the page's text."""


async def test_the_web_ui_leads_to_the_record_and_the_record_back(operators_page: Page, story: Story) -> None:
    page = operators_page
    await open_notice(page, story)
    await page.get_by_test_id("user-metadata-tab").click()
    link = page.frame_locator("iframe").nth(1).get_by_role("link", name=f"notification {story.notification_id}")
    async with page.context.expect_page() as opened:
        await link.click()
    record = await opened.value
    await expect(record.get_by_role("heading", level=1)).to_have_text(
        f"Notification {story.notification_id}: Warning of an end"
    )
    await record.get_by_role("link", name="Its workflow in Temporal").click()
    await expect(record.get_by_test_id("workflow-id-heading")).to_contain_text(story.notice_id)


async def test_the_record_shows_who_was_told_what(
    operators_page: Page, story: Story, take_picture: TakePicture
) -> None:
    page = operators_page
    await page.set_viewport_size({"width": READING, "height": 800})
    await page.goto(story.record_url)
    for text in (COMPANY, PROJECT, EMAIL, str(CHAT), "403 Forbidden: bot was blocked by the user"):
        await expect(page.get_by_text(text).first).to_be_visible()
    await expect(page.get_by_text("HTML part, as source")).to_be_visible()
    await take_picture(page, "record-page.png")


async def test_without_a_key_there_is_no_record(page: Page, story: Story) -> None:
    """Nobody answers the browser's question for a password, as if it was cancelled."""
    try:
        answer = await page.goto(story.record_url)
    except Error:  # newer versions of Chromium end a navigation that nobody logs in to
        answer = None
    assert answer is None or answer.status == 401
    await expect(page.get_by_text(EMAIL)).to_have_count(0)


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_the_record_is_as_wide_as_its_window(operators_page: Page, story: Story, size: ViewportSize) -> None:
    await operators_page.set_viewport_size(size)
    await operators_page.goto(story.record_url)
    for details in await operators_page.locator("summary").all():
        await details.click()
    assert await width_needed(operators_page) == size["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_all_text_of_the_record_stands_out(
    operators_page: Page, story: Story, scheme: Literal["light", "dark"]
) -> None:
    await operators_page.emulate_media(color_scheme=scheme)
    await operators_page.goto(story.record_url)
    background = await operators_page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    contrasts = await operators_page.evaluate(CONTRASTS)
    assert [text for text, contrast in contrasts if contrast < READABLE] == []


async def test_the_record_asks_nobody_for_anything(operators_page: Page, story: Story) -> None:
    requested: list[Request] = []
    operators_page.on("request", lambda request: requested.append(request))  # noqa: PLW0108 - no built-in is taken
    await operators_page.goto(story.record_url, wait_until="networkidle")
    assert {request.url for request in requested} == {story.record_url}


async def test_a_foreign_pages_form_is_refused(operators_page: Page, story: Story) -> None:
    """The browser knows the password by now, and sends it with whatever a foreign page asks for."""
    await operators_page.goto(story.record_url)
    api = story.record_url.partition("/notifications")[0]
    form = (
        f'<form method="post" enctype="text/plain" action="{api}/notifications/test"><button>Win</button>'
        """<input name='{"email": "a@customer.example", "message": "' value='"}'></form>"""
    )
    await operators_page.goto(f"data:text/html,{quote(form)}")
    async with operators_page.expect_response("**/notifications/test") as answered:
        await operators_page.get_by_role("button").click()
    answer = await answered.value
    assert (await answer.request.all_headers())["authorization"].startswith("Basic ")
    assert answer.status == 401
