"""What operators see of a notification in Temporal: what they filter by, and what it is about."""

from __future__ import annotations

import asyncio
from collections import Counter

from temporalio.common import SearchAttributeIndexedValueType

from local.stand_ins.telegram_answers import blocked
from tests.support.data import in_days
from tests.support.scene import PATIENCE, Scene
from workflows import search_attributes
from workflows.summaries import notification_details


async def test_a_child_bears_company_project_and_days_left_while_it_runs(scene: Scene) -> None:
    project = await scene.due_project(slug="harbour-museum")
    await scene.platform.execute("UPDATE projects SET slug = 'old-harbour-walk'")
    held = scene.sink.hold("rcpt")
    async with scene.worker():
        await scene.scan()
        await asyncio.wait_for(held.reached.wait(), PATIENCE)
        attributes = (await (await scene.child()).describe()).typed_search_attributes
        held.release()
        await scene.children_end()

    notification = await scene.notification()
    assert attributes[search_attributes.NOTIFICATION_TYPE] == "expiring"
    assert attributes[search_attributes.COMPANY_ID] == str(notification.company_id)
    assert attributes[search_attributes.PROJECT_ID] == str(project)
    assert attributes[search_attributes.COMPANY_SLUG] == "harbour-museum"
    assert attributes[search_attributes.PROJECT_SLUG] == "old-harbour-walk"
    assert attributes.get(search_attributes.CONTENT_SLUG) is None
    assert attributes[search_attributes.DAYS_LEFT] == notification.days_left
    assert attributes.get(search_attributes.EMAIL_OUTCOME) is None


async def test_the_channels_outcomes_stand_in_the_search_attributes_at_the_end(scene: Scene) -> None:
    scene.telegram.always("request", blocked())
    await scene.due_project()
    await scene.scan_and_send()

    attributes = (await (await scene.child()).describe()).typed_search_attributes
    assert attributes[search_attributes.EMAIL_OUTCOME] == "accepted"
    assert attributes[search_attributes.TELEGRAM_OUTCOME] == "rejected"


async def test_ar_content_with_an_end_of_its_own_is_found_by_its_slug(scene: Scene) -> None:
    company = await scene.platform.company()
    project = await scene.platform.project(company, expires_at=in_days(400))
    await scene.platform.content(company, project, slug="lighthouse-keeper", expires_at=in_days(5))
    await scene.scan_and_send()
    attributes = (await (await scene.child()).describe()).typed_search_attributes
    assert attributes[search_attributes.CONTENT_SLUG] == "lighthouse-keeper"


async def test_a_slug_that_visibility_cannot_hold_is_left_out(scene: Scene) -> None:
    await scene.due_project(slug="x" * (search_attributes.LONGEST_KEYWORD + 1))
    await scene.scan_and_send()
    attributes = (await (await scene.child()).describe()).typed_search_attributes
    assert attributes.get(search_attributes.COMPANY_SLUG) is None
    assert attributes[search_attributes.EMAIL_OUTCOME] == "accepted"


def test_no_more_attributes_than_postgresql_visibility_takes() -> None:
    """https://docs.temporal.io/search-attribute: 10 Keywords, 3 of each other type."""
    counts = Counter(key.indexed_value_type for key in search_attributes.ALL)
    assert counts.pop(SearchAttributeIndexedValueType.KEYWORD) <= 10
    assert all(count <= 3 for count in counts.values())


async def test_operators_find_what_was_rejected(scene: Scene) -> None:
    scene.telegram.always("request", blocked(), recipient=1)
    for chat in (1, 2):
        await scene.due_project(telegram_chat_id=chat)
    await scene.scan_and_send()

    rejected = await scene.platform.scalar(
        "SELECT workflow_id FROM notifications JOIN deliveries d ON notification_id = notifications.id"
        " WHERE d.status = 'rejected'"
    )
    found: list[str] = []
    async with asyncio.timeout(PATIENCE):
        while not found:  # the list lags behind the workflows
            found = [each.id async for each in scene.client.list_workflows("TelegramOutcome = 'rejected'")]
    assert found == [rejected]


async def test_summary_and_details_say_what_it_is_about_and_lead_to_its_record(scene: Scene) -> None:
    project = await scene.due_project()
    await scene.scan_and_send()

    notification = await scene.notification()
    description = await (await scene.child()).describe()
    ends = {0: "today", 1: "tomorrow"}.get(notification.days_left, f"in {notification.days_left} days")
    summary = f"Warn company {notification.company_id}: project {project} ends {ends}"
    assert await description.static_summary() == summary
    details = await description.static_details()
    assert details == notification_details("http://localhost:8000", notification.id)
    assert f"http://localhost:8000/notifications/{notification.id}" in details
