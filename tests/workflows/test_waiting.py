"""A workflow that waits says why, until when, and what an operator can do; and a query finds it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowFailureError, WorkflowHandle

from local.stand_ins.smtp_actions import Reply
from local.stand_ins.telegram_answers import too_many_requests
from temporal.stops import TemporalStops, resume_id
from tests.support.quiet import QUIET_NOW, quiet_for
from tests.support.scanning import start_scan
from tests.support.scene import CHAT, EMAIL, PATIENCE, Scene, events
from workflows import search_attributes
from workflows.start_held import START_HELD

Child = WorkflowHandle[Any, Any]
GREYLISTED = Reply(450, f"4.2.0 <{EMAIL}>: Greylisted by anna")
HOUR = 3600


async def details(handle: Child) -> str:
    """The current details, as the Web UI asks for them."""
    metadata: WorkflowMetadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return metadata.current_details


async def says(handle: Child, words: str) -> str:
    """Waits until the current details have the words, and returns them."""
    async with asyncio.timeout(PATIENCE):
        while words not in (shown := await details(handle)):
            await asyncio.sleep(0.05)  # a workflow tells nobody
    return shown


async def found(scene: Scene, query: str, count: int = 1) -> list[str]:
    """Waits until so many workflows match the query."""
    async with asyncio.timeout(PATIENCE):
        while len(ids := [each.id async for each in scene.client.list_workflows(query)]) != count:
            await asyncio.sleep(0.05)  # the list lags behind the workflows
    return ids


@asynccontextmanager
async def waiting(scene: Scene, **company: object) -> AsyncIterator[Child]:
    """A notification's workflow, with a worker. At the end it is given up, as its details say, and says no more."""
    await scene.due_project(**company)
    async with scene.worker():
        await scene.scan()
        child = await scene.child()
        yield child
        assert "To give it up, cancel this workflow." in await details(child)
        await child.cancel()
        with pytest.raises(WorkflowFailureError):
            await child.result()
        assert await details(child) == ""
        await found(scene, f'WorkflowId="{child.id}" AND WaitingFor IS NULL AND ExecutionStatus="Canceled"')


async def test_telegram_asked_to_wait(scene: Scene) -> None:
    scene.telegram.always("request", too_many_requests(HOUR))
    async with waiting(scene) as child:
        shown = await says(child, "Telegram asked to wait")
        pending = await scene.put_off("telegram", "telegram_429")
        at = pending.next_attempt_schedule_time.ToDatetime(UTC)
        assert any(f"{each:%Y-%m-%d %H:%M} UTC" in shown for each in (at, at - timedelta(seconds=30)))
        assert "`telegram_429`, attempt 1)" in shown
        assert f"`python cli.py deliveries --notification {(await scene.notification()).id}`" in shown
        assert str(CHAT) not in shown
        query = 'WaitingFor="telegram" AND WaitingFor="telegram:telegram_429" AND ExecutionStatus="Running"'
        assert await found(scene, query) == [child.id]
        assert await found(scene, 'WaitingFor="email"', 0) == []


async def test_a_greylisting_mail_server_is_waited_for_and_its_words_are_not_shown(scene: Scene) -> None:
    scene.sink.always("rcpt", GREYLISTED)
    patient = scene.with_settings(email_retry_initial=120)
    async with waiting(patient) as child:
        shown = await says(child, "E-mail waits. The mail server answered 450 about the recipient, often greylisting")
        assert "anna" not in shown
        assert await found(scene, 'WaitingFor="email"') == [child.id]
        history = await child.fetch_history()
        assert len(events(history, "WORKFLOW_EXECUTION_SIGNALED")) == 1
        assert len(events(history, "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES")) == 1
        assert EMAIL not in history.to_json()


async def test_a_short_wait_costs_no_event(scene: Scene) -> None:
    scene.sink.on("rcpt", GREYLISTED, GREYLISTED)
    await scene.due_project()
    await scene.scan_and_send()
    history = await scene.history()
    assert events(history, "WORKFLOW_EXECUTION_SIGNALED") == []
    assert len(events(history, "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES")) == 1
    assert (await scene.delivery("email")).attempts == 3


async def test_the_same_wait_is_told_again_only_now_and_then(scene: Scene) -> None:
    """Once, and at the attempts 2, 4, 8 and so on: a pause may last for days."""
    scene.sink.always("rcpt", GREYLISTED)
    async with waiting(scene.with_settings(pause_retry=0.05), telegram_enabled=False) as child:
        await scene.put_off("email", "smtp_rcpt_450")
        await scene.platform.execute("INSERT INTO pauses (operator, why) VALUES ('anna', 'a bad text')")
        shown = await says(child, "E-mail waits. Sending is paused. `python cli.py resume` resumes sending.")
        assert "anna" not in shown
        async with asyncio.timeout(PATIENCE):
            while (attempt := (await scene.put_off("email", "paused")).attempt) < 17:
                await asyncio.sleep(0.05)  # the server tells nobody
        history = await child.fetch_history()
        assert 1 <= len(events(history, "WORKFLOW_EXECUTION_SIGNALED")) <= 1 + attempt.bit_length()
        assert events(history, "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES") == []


async def test_a_delivery_that_waits_no_more_says_nothing_more(scene: Scene) -> None:
    scene.telegram.always("request", too_many_requests(HOUR))
    patient = scene.with_settings(email_retry_initial=90)
    scene.sink.on("rcpt", GREYLISTED)
    async with waiting(patient) as child:
        await says(child, "E-mail waits. ")
        await says(child, "Telegram message waits. ")
        assert len(await found(scene, 'WaitingFor="email" AND WaitingFor="telegram"')) == 1


async def test_quiet_hours_that_began_meanwhile(scene: Scene) -> None:
    gate = scene.sink.hold("rcpt")
    scene.sink.on("rcpt", GREYLISTED)
    async with waiting(scene, telegram_enabled=False) as child:
        await asyncio.wait_for(gate.reached.wait(), PATIENCE)
        await scene.platform.execute(
            "UPDATE companies SET timezone = :timezone, quiet_from = :quiet_from, quiet_until = :quiet_until",
            **quiet_for(QUIET_NOW),
        )
        gate.release()
        shown = await says(child, "The company has quiet hours. They end at about ")
        assert "Nothing needs to be done." in shown
        attributes = (await child.describe()).typed_search_attributes
        assert attributes.get(search_attributes.WAITING_FOR) is None


async def test_what_an_older_release_must_go_on_with_gets_no_search_attribute(scene: Scene) -> None:
    scene.telegram.always("request", too_many_requests(HOUR))
    async with waiting(scene.with_settings(waiting_searchable="off")) as child:
        await says(child, "Telegram asked to wait")
        assert events(await child.fetch_history(), "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES") == []


async def test_a_stopped_channel_says_until_when(scene: Scene) -> None:
    until = datetime.now(UTC) + timedelta(hours=2)
    await TemporalStops(scene.client, scene.settings, scene.platform.engine).stop("telegram", until)
    async with scene.worker():
        resuming = scene.client.get_workflow_handle(resume_id(scene.settings, "telegram"))
        shown = await says(resuming, "Waiting until telegram may send again")
        assert f"{until:%Y-%m-%d %H:%M} UTC" in shown
        await resuming.terminate()


async def test_held_notifications_say_for_what_they_are_held(scene: Scene) -> None:
    await scene.due_project(**quiet_for(QUIET_NOW))
    async with scene.worker():
        await scene.scan()
        held = scene.client.get_workflow_handle(START_HELD)
        assert "Next look at 20" in await says(held, "Waiting for the end of quiet hours")
        await held.terminate()


async def test_a_scan_says_that_it_waits_for_room(scene: Scene) -> None:
    for _ in range(2):
        await scene.due_project(telegram_enabled=False)
    full = scene.with_settings(scan_max_in_flight=1)
    scanning = await start_scan(full.client, full.settings)
    async with full.worker("workflows"):
        shown = await says(scene.client.get_workflow_handle(scanning.id), "Waiting for room")
        assert "SCAN_MAX_IN_FLIGHT_PER_COMPANY" in shown
    async with full.worker():
        await scanning.result()
        await full.children_end()
