"""Quiet hours: a company is not told in its night, and nobody else waits for it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle

from contracts.scanning import StartHeldResult, TakeStartableResult
from contracts.sending import DeliveryToSend
from db.record.startable import find_startable, mark_started
from local.stand_ins.smtp_actions import Reply
from temporal.start import start_held_now
from tests.support.data import Platform, in_days
from tests.support.quiet import QUIET_NOW, quiet_for
from tests.support.scene import EMAIL, PATIENCE, Scene
from workflows.start_held import START_HELD, StartHeldWorkflow

GREYLISTED = Reply(450, "4.2.0 greylisted")
SOON = timedelta(seconds=6)
NO_QUIET_HOURS = "UPDATE companies SET quiet_from = NULL, quiet_until = NULL"


def start_held(scene: Scene) -> WorkflowHandle[StartHeldWorkflow, StartHeldResult]:
    return scene.client.get_workflow_handle_for(StartHeldWorkflow.run, START_HELD)


async def startable(engine: AsyncEngine, in_all: int = 100) -> TakeStartableResult:
    async with engine.connect() as connection:
        return await find_startable(
            connection,
            100,
            in_all,
            100,
            lambda _type, _company, deliveries: [DeliveryToSend(each.delivery_id, each.channel) for each in deliveries],
        )


async def test_a_company_in_its_quiet_hours_waits_and_another_is_told_at_once(scene: Scene) -> None:
    quiet = await scene.platform.company(**quiet_for(QUIET_NOW))
    held = await scene.platform.project(quiet)
    awake = await scene.platform.project(await scene.platform.company(contact_email=EMAIL))
    async with scene.worker():
        assert (await scene.scan()).started == 1
        [mail] = await scene.sink.wait_for(1, PATIENCE)
        await scene.telegram.wait_for(1, PATIENCE)
        assert mail.recipients == (EMAIL,)
        rows = {row.project_id: row for row in await scene.platform.notifications()}
        assert (rows[held].started_at, rows[held].status) == (None, "open")
        assert rows[awake].started_at is not None
        assert (await start_held(scene).describe()).status is WorkflowExecutionStatus.RUNNING

        await scene.platform.execute(NO_QUIET_HOURS)
        await start_held_now(scene.client, scene.settings)
        assert (await start_held(scene).result()).started == 1
        await scene.children_end()
    assert {row.status for row in await scene.platform.notifications()} == {"delivered"}
    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (2, 2)


async def test_when_its_hour_comes_it_is_told(scene: Scene) -> None:
    now = datetime.now(UTC)
    over = (now + SOON).replace(microsecond=0)
    await scene.due_project(**quiet_for(SOON, now))
    async with scene.worker():
        await scene.scan()
        [mail] = await scene.sink.wait_for(1, PATIENCE)
        [message] = await scene.telegram.wait_for(1, PATIENCE)
        await scene.children_end()
    assert mail.accepted_at >= over
    assert message.accepted_at >= over
    assert await scene.ends() == ("delivered", "accepted", "accepted")


async def test_who_waits_for_the_end_of_one_night_wakes_for_that_of_another(scene: Scene) -> None:
    """A scan that finds something held for less long tells the workflow that sleeps already."""
    late = await scene.platform.project(await scene.platform.company(**quiet_for(QUIET_NOW)))
    async with scene.worker():
        await scene.scan()
        assert (await start_held(scene).describe()).status is WorkflowExecutionStatus.RUNNING
        await scene.platform.project(await scene.platform.company(**quiet_for(SOON) | {"contact_email": EMAIL}))
        await scene.scan()
        [mail] = await scene.sink.wait_for(1, PATIENCE)
        assert mail.recipients == (EMAIL,)
        [still_held] = [row for row in await scene.platform.notifications() if row.project_id == late]
        assert still_held.started_at is None
        assert (await start_held(scene).describe()).status is WorkflowExecutionStatus.RUNNING


async def test_a_notice_whose_item_ends_before_the_night_is_over_goes_at_once(scene: Scene) -> None:
    """Also one that the end of the night would leave less than an hour."""
    company = await scene.platform.company(**quiet_for(QUIET_NOW))
    for hours in (1, 2.9):
        await scene.platform.project(company, expires_at=in_days(hours / 24))
    await scene.scan_and_send()
    assert {row.status for row in await scene.platform.notifications()} == {"delivered"}
    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (2, 2)


async def test_a_retry_that_would_fall_into_the_quiet_hours_waits_until_they_are_over(scene: Scene) -> None:
    gate = scene.sink.hold("rcpt")
    scene.sink.on("rcpt", GREYLISTED)
    await scene.due_project(contact_email=EMAIL, telegram_enabled=False)
    async with scene.worker():
        await scene.scan()
        await asyncio.wait_for(gate.reached.wait(), PATIENCE)
        hours = quiet_for(QUIET_NOW)
        await scene.platform.execute(
            "UPDATE companies SET timezone = :timezone, quiet_from = :quiet_from, quiet_until = :quiet_until", **hours
        )
        gate.release()
        email = await scene.put_off("email", "quiet_hours")
        over = datetime.now(UTC) + QUIET_NOW
        assert email.next_attempt_schedule_time.ToDatetime(UTC) > over - timedelta(minutes=5)
        assert (scene.sink.attempts("rcpt"), scene.sink.messages) == (1, [])
        delivery = await scene.delivery("email")
        assert (delivery.status, delivery.reason, delivery.attempts) == ("pending", "smtp_rcpt_450", 1)


async def test_what_is_held_neither_waits_for_room_nor_takes_it(engine: AsyncEngine, platform: Platform) -> None:
    """Also what was started just before the quiet time began: it would take its room until the morning."""
    quiet = await platform.company(**quiet_for(QUIET_NOW))
    held, started = [await platform.notification(await platform.project(quiet)) for _ in range(2)]
    awake = await platform.notification(await platform.project(await platform.company()))
    async with engine.begin() as connection:
        await mark_started(connection, [started])
    found = await startable(engine, in_all=1)
    assert ([each.notification_id for each in found.notifications], found.waiting) == ([awake], 0)
    async with engine.begin() as connection:
        await mark_started(connection, [awake])
    found = await startable(engine)
    assert (found.notifications, found.waiting) == ([], 0)
    assert found.next_start_at is not None
    await platform.execute(NO_QUIET_HOURS)
    assert [each.notification_id for each in (await startable(engine)).notifications] == [held]


async def test_the_first_quiet_time_to_end_is_when_to_look_again(engine: AsyncEngine, platform: Platform) -> None:
    for hours in (3, 1, 2):
        company = await platform.company(**quiet_for(timedelta(hours=hours)))
        await platform.notification(await platform.project(company))
    first = await platform.scalar(
        "SELECT min(quiet_until(now(), timezone, quiet_from, quiet_until)) FROM companies WHERE quiet_from IS NOT NULL"
    )
    assert (await startable(engine)).next_start_at == first


@pytest.mark.parametrize("kind", ["test", "alert"])
async def test_what_an_operator_wants_to_see_is_never_held(engine: AsyncEngine, platform: Platform, kind: str) -> None:
    project = await platform.project(await platform.company(**quiet_for(QUIET_NOW)))
    urgent = await platform.notification(project, notification_type=kind)
    await platform.execute("INSERT INTO pauses (operator, why) VALUES ('anna', 'a bad text')")
    assert [each.notification_id for each in (await startable(engine)).notifications] == [urgent]


async def test_a_pause_is_no_time_to_wait_for(engine: AsyncEngine, platform: Platform) -> None:
    await platform.notification(await platform.project(await platform.company(**quiet_for(QUIET_NOW))))
    await platform.execute("INSERT INTO pauses (operator, why) VALUES ('anna', 'a bad text')")
    found = await startable(engine)
    assert (found.notifications, found.waiting, found.next_start_at) == ([], 0, None)
