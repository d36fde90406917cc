"""The deactivation as a workflow: switched off, and told of, by mail and message."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, timedelta

import pytest
from temporalio.client import ScheduleActionExecutionStartWorkflow

from contracts.deactivating import DeactivateExpiredResult
from contracts.queues import WORKFLOWS
from temporal.schedules import DEACTIVATE_EXPIRED, apply
from temporal.start import start_held_now
from tests.support.data import in_days
from tests.support.deactivations import Deactivations
from tests.support.quiet import QUIET_NOW, quiet_for
from tests.support.scanning import all_finished, deactivate, start_deactivation
from tests.support.scene import CHAT, EMAIL, PATIENCE, Scene
from tests.support.worker_process import CRASHING_WORKER, notice_the_death_soon, worker_process
from workflows.start_held import START_HELD


async def deactivate_and_tell(scene: Scene, **input_fields: object) -> DeactivateExpiredResult:
    async with scene.worker():
        result = await deactivate(scene.client, scene.settings, **input_fields)
        await scene.children_end()
    return result


async def test_the_company_hears_that_its_project_has_ended_and_what_went_with_it(
    scene: Scene, deactivations: Deactivations
) -> None:
    company = await scene.platform.company(contact_email=EMAIL, telegram_chat_id=CHAT)
    ends_at = in_days(-2)
    project = await scene.platform.project(company, slug="ship", name="The ship", expires_at=ends_at)
    await scene.platform.content(company, project, title="The bow")
    await scene.platform.content(company, project, title="The stern", expires_at=in_days(9))
    await scene.platform.content(company, project, title="The mast", is_active=False)
    await scene.platform.content(company, project, title="The flag", expires_at=ends_at - timedelta(days=5))
    assert await deactivate_and_tell(scene) == DeactivateExpiredResult(2, 1, 3, 2, 2)

    assert await deactivations.projects() == {"ship": "expired*"}
    assert sorted((await deactivations.contents()).values()) == ["off", "off*", "off*", "off*"]
    of_content, of_project = sorted(scene.sink.messages, key=lambda mail: mail.subject)
    assert of_content.subject == "The flag (The ship) has ended and was deactivated"
    assert of_project.subject == "The ship has ended and was deactivated"
    body = of_project.message.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert ["The bow" in text, "The stern" in text, "The mast" in text, "The flag" in text] == [
        True,
        True,
        False,
        False,
    ]
    assert (
        of_project.message_id
        == f"<expired.project-{project}.{ends_at.astimezone(UTC):%Y%m%dT%H%M%SZ}@platform.example>"
    )
    assert len(scene.telegram.to(CHAT)) == 2
    assert {each.status for each in await scene.platform.notifications()} == {"delivered"}


async def test_a_company_without_an_address_leaves_a_row_that_says_so(scene: Scene) -> None:
    company = await scene.platform.company(contact_email=None, telegram_chat_id=None)
    await scene.platform.project(company, expires_at=in_days(-1))
    assert (await deactivate_and_tell(scene)).opened == 1
    assert await scene.ends() == ("undelivered", "skipped", "skipped")
    assert {each.reason for each in await scene.platform.deliveries()} == {"no_address"}


@pytest.fixture
async def nine(scene: Scene) -> Scene:
    """Nine projects of three companies, with an AR content each, and a notice that a scan has left open."""
    for _ in range(3):
        company = await scene.platform.company()
        for number in range(3):
            project = await scene.platform.project(company, expires_at=in_days(-1 - number))
            await scene.platform.content(company, project)
    await scene.platform.notification(await scene.platform.project(company))
    return scene


async def test_small_pages_and_small_runs_reach_everybody_once(nine: Scene, deactivations: Deactivations) -> None:
    result = await deactivate_and_tell(nine, page_size=2, pages_per_run=2, batch_size=4)
    assert result == DeactivateExpiredResult(9, 9, 9, 9, 10)
    assert Counter((await deactivations.projects()).values()) == {"expired*": 9, "active": 1}
    assert set((await deactivations.contents()).values()) == {"off*"}
    assert len({mail.message_id for mail in nine.sink.messages}) == len(nine.sink.messages) == 10
    assert {each.status for each in await nine.platform.notifications()} == {"delivered"}


async def test_a_second_one_finds_nothing_to_do(nine: Scene) -> None:
    await deactivate_and_tell(nine)
    assert await deactivate_and_tell(nine) == DeactivateExpiredResult(0, 0, 0, 0, 0)
    assert len(nine.sink.messages) == 10


async def test_two_at_once_tell_everybody_once(nine: Scene) -> None:
    async with nine.worker():
        running = [await start_deactivation(nine.client, nine.settings, page_size=2) for _ in range(2)]
        results = [await each.result() for each in running]
        await nine.children_end()
    assert sum(each.projects for each in results) == sum(each.opened for each in results) == 9
    assert len({mail.message_id for mail in nine.sink.messages}) == len(nine.sink.messages) == 10


async def test_a_worker_killed_between_a_pages_commit_and_its_report_loses_nothing(nine: Scene) -> None:
    async with worker_process(nine, (*CRASHING_WORKER, "deactivation-committed")) as dying:
        running = await start_deactivation(nine.client, nine.settings)
        assert await dying.exit_status() == -9
    assert nine.sink.messages == []
    async with nine.worker():
        await notice_the_death_soon(nine, running.id, "deactivate_ended")
        assert await running.result() == DeactivateExpiredResult(0, 0, 0, 0, 10)
        await nine.children_end()
    assert len({mail.message_id for mail in nine.sink.messages}) == len(nine.sink.messages) == 10


async def test_more_than_allowed_stay_on_and_what_stood_open_is_sent(nine: Scene, deactivations: Deactivations) -> None:
    nine = nine.with_settings(scan_max_notices=8, admin_email="admin@own.example")
    result = await deactivate_and_tell(nine, page_size=3)
    assert result == DeactivateExpiredResult(9, 0, 0, 0, result.started, too_many=True)
    assert set((await deactivations.projects()).values()) == {"active"}
    assert (len(nine.sink.messages), len(nine.sink.to("admin@own.example"))) == (2, 1)

    assert (await deactivate_and_tell(nine, page_size=3, allow_many=True)).projects == 9


async def test_the_schedule_starts_it(scene: Scene, deactivations: Deactivations) -> None:
    await scene.platform.project(await scene.platform.company(), slug="ship", expires_at=in_days(-1))
    await apply(scene.client, scene.settings)
    schedule = scene.client.get_schedule_handle(DEACTIVATE_EXPIRED)
    async with scene.worker():
        await schedule.trigger()
        await scene.sink.wait_for(1, PATIENCE)
        await scene.children_end()
        started = [each.action for each in (await schedule.describe()).info.recent_actions]
        await all_finished(
            scene.client,
            [each.workflow_id for each in started if isinstance(each, ScheduleActionExecutionStartWorkflow)],
        )
    assert await deactivations.projects() == {"ship": "expired*"}


async def test_what_is_renewed_before_it_is_told_is_not_told(scene: Scene, deactivations: Deactivations) -> None:
    """An import, say, which leaves what stands open to the next attempt."""
    await scene.platform.project(await scene.platform.company(), slug="ship", expires_at=in_days(-1))
    async with scene.worker(WORKFLOWS):
        await scene.deactivate()
        await scene.platform.execute(
            "UPDATE projects SET status = 'active', deactivated_at = NULL, expires_at = now() + interval '1 year'"
        )
        async with scene.worker("email", "telegram"):
            await scene.children_end()
    assert await scene.ends() == ("undelivered", "skipped", "skipped")
    assert {each.reason for each in await scene.platform.deliveries()} == {"renewed"}
    assert scene.sink.messages == []


async def test_its_workflow_says_what_it_is_about(scene: Scene) -> None:
    company = await scene.platform.company()
    project = await scene.platform.project(company)
    content = await scene.platform.content(company, project, expires_at=in_days(-1))
    await deactivate_and_tell(scene)
    description = await (await scene.child()).describe()
    assert await description.static_summary() == (
        f"Notify company {company}: AR content {content} of project {project} has ended"
    )


async def test_in_quiet_hours_it_is_switched_off_and_told_of_when_they_are_over(
    scene: Scene, deactivations: Deactivations
) -> None:
    company = await scene.platform.company(**quiet_for(QUIET_NOW))
    await scene.platform.project(company, slug="ship", expires_at=in_days(-1))
    async with scene.worker():
        result = await scene.deactivate()
        assert (result.opened, result.started) == (1, 0)
        assert await deactivations.projects() == {"ship": "expired*"}
        await scene.platform.execute("UPDATE companies SET quiet_from = NULL, quiet_until = NULL")
        await start_held_now(scene.client, scene.settings)
        await scene.sink.wait_for(1, PATIENCE)
        await scene.children_end()
        await scene.client.get_workflow_handle(START_HELD).result()
    assert await scene.ends() == ("delivered", "accepted", "accepted")
