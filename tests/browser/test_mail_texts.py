"""Every mail in every language can be read in a browser, on a phone and on a desktop, by day and by night."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest
from playwright.async_api import Page, Request, ViewportSize, expect

from channels.email.channel import SAMPLE_UNSUBSCRIBE_URL as UNSUBSCRIBE_URL
from channels.email.texts import render_mail
from channels.telegram.texts import PART
from commands.preview import Item, sample
from contracts.keys import NotificationType, is_about_an_item
from db.record.claim import Claim
from texts.renderer import Renderer

pytestmark = pytest.mark.browser

RENDERER = Renderer(
    "https://platform.example/projects/{slug}/renew",
    "help@platform.example",
    {PART: None},
    renew_content_url_template="https://platform.example/contents/{slug}/renew",
)
RENEW_PROJECT = "https://platform.example/projects/old-harbour-walk/renew"
RENEW_CONTENT = "https://platform.example/contents/lighthouse-keeper/renew"
PHONE: ViewportSize = {"width": 360, "height": 640}
DESKTOP: ViewportSize = {"width": 1024, "height": 768}
LONG = "Ж" * 90
READABLE = 4.5
"""The contrast that WCAG 2.2 (1.4.3) asks of text."""

SAMPLES = {
    f"{locale}-{notification_type}-{item}": sample(notification_type, locale, item)
    for locale in RENDERER.languages
    for notification_type in NotificationType
    for item in (Item if is_about_an_item(notification_type) else (Item.PROJECT,))
}
CLAIMS = [pytest.param(claim, id=name) for name, claim in SAMPLES.items()]
ITEMS_THAT_END = [
    pytest.param(claim, id=name) for name, claim in SAMPLES.items() if is_about_an_item(claim.notification_type)
]

CONTRASTS = """() => {
    const numbers = color => color.match(/[\\d.]+/g).map(Number);
    const luminance = color => {
        const [r, g, b] = numbers(color).slice(0, 3)
            .map(value => value / 255)
            .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const background = element => {
        const color = getComputedStyle(element).backgroundColor;
        const opaque = (numbers(color)[3] ?? 1) === 1;
        return opaque ? color : element.parentElement ? background(element.parentElement) : "rgb(255, 255, 255)";
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        const text = texts.currentNode.textContent.trim();
        if (!text || !element.checkVisibility()) continue;
        const both = [luminance(getComputedStyle(element).color), luminance(background(element))];
        found.push([text, (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05)]);
    }
    return found;
}"""


async def show(page: Page, claim: Claim, size: ViewportSize) -> None:
    await page.set_viewport_size(size)
    html = render_mail(RENDERER, claim, UNSUBSCRIBE_URL).html
    assert html is not None
    await page.set_content(html)


async def width_needed(page: Page) -> int:
    return int(await page.evaluate("document.documentElement.scrollWidth"))


@pytest.mark.parametrize("claim", CLAIMS)
async def test_a_mail_asks_nobody_for_anything(page: Page, claim: Claim) -> None:
    requested: list[Request] = []
    page.on("request", lambda request: requested.append(request))  # noqa: PLW0108 - Playwright takes no built-in
    await show(page, claim, DESKTOP)
    await page.wait_for_load_state("networkidle")
    assert requested == []


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_a_mail_is_as_wide_as_its_window(page: Page, claim: Claim, size: ViewportSize) -> None:
    await show(page, claim, size)
    assert await width_needed(page) == size["width"]


@pytest.mark.parametrize("claim", ITEMS_THAT_END)
async def test_long_names_do_not_make_a_mail_wider(page: Page, claim: Claim) -> None:
    names: dict[str, Any] = {"company_name": LONG, "project_name": LONG, "contents": [LONG] * 25}
    await show(page, replace(claim, content=claim.content and LONG, **names), PHONE)
    assert await width_needed(page) == PHONE["width"]
    await expect(page.get_by_text(LONG).first).to_be_visible()


@pytest.mark.parametrize("claim", ITEMS_THAT_END)
async def test_the_links_to_renew_and_to_unsubscribe_are_seen(page: Page, claim: Claim) -> None:
    await show(page, claim, PHONE)
    renew = page.locator(f'a[href="{RENEW_PROJECT if claim.content is None else RENEW_CONTENT}"]')
    await expect(renew).to_be_visible()
    box = await renew.bounding_box()
    assert box is not None
    assert box["height"] >= 44  # what a thumb hits
    await expect(page.locator(f'a[href="{UNSUBSCRIBE_URL}"]')).to_be_visible()


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_all_text_stands_out(page: Page, claim: Claim, scheme: Literal["light", "dark"]) -> None:
    await page.emulate_media(color_scheme=scheme)
    await show(page, claim, DESKTOP)
    contrasts = await page.evaluate(CONTRASTS)
    assert contrasts
    assert [text for text, contrast in contrasts if contrast < READABLE] == []


@pytest.mark.parametrize("claim", ITEMS_THAT_END)
async def test_the_line_for_the_list_of_mails_is_not_seen_in_the_mail(page: Page, claim: Claim) -> None:
    await show(page, claim, DESKTOP)
    preheader = page.locator("body > div").first
    await expect(preheader).to_be_hidden()
    assert "2026" in (await preheader.text_content() or "")
