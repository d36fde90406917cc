"""What an operator sees of a scan and its notices in Temporal's Web UI."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.pictures import TakePicture
from tests.browser.story import PRIVATE, Story

pytestmark = pytest.mark.browser


async def test_a_notice_is_found_by_its_project(page: Page, story: Story) -> None:
    rows = page.get_by_test_id("workflows-summary-configurable-table-row")
    await page.goto(f"{story.namespace_url}/workflows")
    for workflow_id in story.children:
        await expect(rows.filter(has_text=workflow_id)).to_have_count(1)

    await page.get_by_test_id("toggle-manual-query").click()
    await page.get_by_test_id("manual-search-input").fill('ProjectId="42"')
    await page.get_by_test_id("manual-search-input").press("Enter")

    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text(story.notice_id)
    await expect(rows).to_contain_text("Completed")


@pytest.mark.parametrize(
    "query",
    [
        'CompanyId="7"',
        'NotificationType="expiring" AND DaysLeft=3',
        'EmailOutcome="accepted" AND TelegramOutcome="rejected"',
    ],
)
async def test_a_notice_is_found_by_what_is_known_of_it(page: Page, story: Story, query: str) -> None:
    await page.goto(story.workflows_url(query))
    rows = page.get_by_test_id("workflows-summary-configurable-table-row")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text(story.notice_id)


async def test_a_notice_shows_both_channels_with_their_attempts(
    page: Page, story: Story, take_picture: TakePicture
) -> None:
    await open_notice(page, story)
    await page.get_by_test_id("compact").click()
    await expect(event(page, "send_email")).to_contain_text(re.compile(r"Attempt\s*2"))
    await expect(event(page, "send_telegram")).to_contain_text(re.compile(r"Attempt\s*1"))

    await page.get_by_test_id("feed").click()
    await show_only(page, "Activity")
    await expect(event(page, "Activity Task Failed")).to_contain_text("telegram_blocked")
    await expect(page.get_by_test_id("input-and-result")).to_contain_text('"telegram": "rejected"')
    await take_picture(page, "web-ui-notification.png", down_to=page.get_by_test_id("event-summary-table"))


async def test_a_rejection_shows_its_type(page: Page, story: Story) -> None:
    await open_notice(page, story)
    await page.get_by_test_id("compact").click()
    await event(page, "send_telegram").get_by_text("send_telegram").click()
    await expect(page.get_by_test_id("event-summary-table")).to_contain_text('"type": "telegram_blocked"')
    await expect(page.get_by_test_id("event-summary-table")).to_contain_text("RETRY_STATE_NON_RETRYABLE_FAILURE")


async def test_a_notice_says_what_it_is_and_links_to_its_record(page: Page, story: Story) -> None:
    await open_notice(page, story)
    await page.get_by_test_id("user-metadata-tab").click()
    summary, details = page.frame_locator("iframe").nth(0), page.frame_locator("iframe").nth(1)
    await expect(summary.get_by_text("Warn company 7: project 42 ends in 3 days", exact=True)).to_be_visible()
    link = details.get_by_role("link", name=f"notification {story.notification_id}")
    await expect(link).to_have_attribute("href", story.record_url)


async def test_a_notice_that_waits_says_why_and_what_to_do(page: Page, story: Story, take_picture: TakePicture) -> None:
    await page.goto(story.workflows_url('WaitingFor="email"'))
    await page.get_by_role("link", name=story.trouble.waiting, exact=True).click()
    await page.get_by_test_id("user-metadata-tab").click()
    current = page.frame_locator("iframe").nth(2)
    await expect(
        current.get_by_text("E-mail waits. The mail server answered 450 about the recipient, often greylisting")
    ).to_be_visible()
    await expect(current.get_by_text("To give it up, cancel this workflow.")).to_be_visible()
    await assert_names_nobody(page)
    await take_picture(page, "waiting-child.png", down_to=page.locator("iframe").nth(1))


async def test_a_notice_shows_its_search_attributes(page: Page, story: Story) -> None:
    await open_notice(page, story)
    await page.get_by_test_id("search-attributes-tab").click()
    for shown in (
        '"CompanyId": "7"',
        '"CompanySlug": "harbour-museum"',
        '"ProjectSlug": "old-harbour-walk"',
        '"ProjectId": "42"',
        '"NotificationType": "expiring"',
        '"DaysLeft": 3',
        '"EmailOutcome": "accepted"',
        '"TelegramOutcome": "rejected"',
    ):
        await expect(page.get_by_text(shown)).to_be_visible()


async def test_a_scan_lists_the_notices_it_started(page: Page, story: Story, take_picture: TakePicture) -> None:
    await open_scan(page, story)
    await page.get_by_test_id("compact").click()
    await expect(event(page, "Child Workflow")).to_have_count(len(story.children))
    for ending in ("42 ends in 3 days", "43 ends today", "44 ends tomorrow", "47 ends in 7 days"):
        await expect(event(page, f"project {ending}")).to_have_count(1)
    await take_picture(page, "web-ui-scan.png", down_to=page.locator("#event-history-timeline-graph"))

    await page.get_by_test_id("relationships-tab").click()
    for workflow_id in story.children:
        await expect(page.get_by_role("link", name=workflow_id, exact=True)).to_be_visible()


async def test_the_notices_of_a_scan_are_found_by_its_id(page: Page, story: Story) -> None:
    await page.goto(story.workflows_url(f'ParentWorkflowId="{story.scan_id}"'))
    rows = page.get_by_test_id("workflows-summary-configurable-table-row")
    await expect(rows).to_have_count(len(story.children))


async def test_nobody_is_named(page: Page, story: Story) -> None:
    await open_notice(page, story)
    await page.get_by_test_id("compact").click()
    for activity in ("send_email", "send_telegram", "record_outcome"):
        await event(page, activity).get_by_text(activity).click()
    # Once an activity is unfolded, its row and all it holds are rows of the table.
    await expect(page.get_by_test_id("event-summary-table")).to_contain_text("Activity Task Completed")
    await expect(page.get_by_test_id("event-summary-table")).to_contain_text("Activity Task Failed")
    await assert_names_nobody(page)
    await open_scan(page, story)
    await expect(event(page, "project 42 ends in 3 days")).not_to_have_count(0)
    await assert_names_nobody(page)


async def open_notice(page: Page, story: Story) -> None:
    """Goes from the list to the notice and waits for its history."""
    await page.goto(story.workflows_url('ProjectId="42"'))
    await page.get_by_role("link", name=story.notice_id, exact=True).click()
    await expect(page.get_by_test_id("workflow-id-heading")).to_contain_text(story.notice_id)
    await expect(page.get_by_test_id("event-summary-row")).not_to_have_count(0)


async def open_scan(page: Page, story: Story) -> None:
    """Goes from the notice to the run of the scan that started it."""
    await open_notice(page, story)
    await page.get_by_role("link", name=story.scan_id).click()
    await expect(page.get_by_test_id("workflow-id-heading")).to_contain_text(story.scan_id)
    await expect(page.get_by_test_id("event-summary-row").filter(has_text="take_startable")).not_to_have_count(0)


def event(page: Page, text: str) -> Locator:
    """The history's rows that have the text: an event, or in the compact view all events of one activity."""
    return page.get_by_test_id("event-summary-row").filter(has_text=text)


async def show_only(page: Page, category: str) -> None:
    """Filters the history by a category of events."""
    menu = page.locator("#event-type-menu")
    await page.get_by_role("button", name="Filter", exact=True).click()
    await menu.get_by_test_id("None").click()
    await menu.get_by_test_id(category).click()
    await page.keyboard.press("Escape")
    await expect(menu).to_be_hidden()


async def assert_names_nobody(page: Page) -> None:
    text = await page.content()
    assert [private for private in PRIVATE if private in text] == []
