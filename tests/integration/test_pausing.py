"""`pause` and `resume`: what goes on, what waits, and what comes of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from temporalio.client import ScheduleState

from channels.configured import send_options
from contracts.keys import NotificationType
from contracts.scanning import StartableNotification
from db.operators import pauses
from local.stand_ins.smtp_actions import Reply
from local.stand_ins.telegram_answers import server_error
from temporal import schedules
from temporal.schedules import SCAN_EXPIRING
from temporal.start import start_and_mark
from tests.support.calling_api import NOBODY_LISTENS
from tests.support.command_line import Ended, cli
from tests.support.scanning import finished
from tests.support.scene import EMAIL, PATIENCE, Scene
from tests.support.worker_process import environment

GREYLISTED = Reply(450, "4.2.0 greylisted")
WHY = ("--why", "a bad text", "--by", "anna")
NOTE = "paused by anna: a bad text"
BY_HAND = "The mail server is being moved"


async def operate(scene: Scene, *arguments: str, **variables: str) -> Ended:
    ended = await cli(*arguments, environment=environment(scene.client, scene.settings) | variables)
    assert "Traceback" not in ended.err
    return ended


async def pause(scene: Scene, *arguments: str) -> Ended:
    ended = await operate(scene, "pause", *WHY, *arguments)
    assert ended.status == 0, ended.err
    return ended


async def resume(scene: Scene) -> Ended:
    ended = await operate(scene, "resume", "--by", "ben")
    assert ended.status == 0, ended.err
    return ended


async def state(scene: Scene, schedule_id: str = SCAN_EXPIRING) -> ScheduleState:
    return (await scene.client.get_schedule_handle(schedule_id).describe()).schedule.state


async def paused_rows(scene: Scene) -> list[tuple[Any, ...]]:
    return [
        (row["operator"], row["why"], row["resumed_by"], row["resumed_at"] is None)
        for row in await scene.platform.rows("SELECT * FROM pauses ORDER BY id")
    ]


async def test_what_waits_for_a_retry_stays_where_it_is_and_goes_when_the_sending_does(scene: Scene) -> None:
    scene.sink.always("rcpt", GREYLISTED)
    scene.telegram.always("request", server_error())
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await scene.put_off("email", "smtp_rcpt_450")
        await scene.put_off("telegram", "telegram_500")
        await pause(scene)
        for channel in ("email", "telegram"):
            await scene.put_off(channel, "paused")
        attempts = scene.sink.attempts("rcpt"), scene.telegram.attempts("request")
        for server in (scene.sink, scene.telegram):
            server.clear()
        for channel in ("email", "telegram"):
            await scene.held_once_more(channel)
        assert (scene.sink.attempts("rcpt"), scene.telegram.attempts("request")) == attempts
        assert (scene.sink.messages, scene.telegram.messages) == ([], [])
        email = await scene.delivery("email")
        assert (email.status, email.reason, email.attempts) == ("pending", "smtp_rcpt_450", attempts[0])

        await resume(scene)
        await scene.children_end()
    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (1, 1)
    assert await scene.ends() == ("delivered", "accepted", "accepted")
    assert await paused_rows(scene) == [("anna", "a bad text", "ben", False)]


async def test_a_message_in_flight_ends_as_ever(scene: Scene) -> None:
    mail, message = scene.sink.hold("dot"), scene.telegram.hold("request")
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        for gate in (mail, message):
            await asyncio.wait_for(gate.reached.wait(), PATIENCE)
        await pause(scene)
        for gate in (mail, message):
            gate.release()
        await scene.children_end()
    assert await scene.ends() == ("delivered", "accepted", "accepted")


async def test_a_scan_by_hand_opens_rows_that_are_sent_after_the_pause(scene: Scene) -> None:
    await scene.due_project()
    await pause(scene)
    async with scene.worker():
        scanned = await operate(scene, "scan", "--wait", "--json")
        assert (scanned.status, scanned.json["opened"], scanned.json["started"]) == (0, 1, 0)
        assert "anna paused sending at" in scanned.err
        assert "UTC: a bad text." in scanned.err
        assert (await scene.notification()).started_at is None

        await resume(scene)
        await scene.sink.wait_for(1, PATIENCE)
        await scene.children_end()
    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (1, 1)
    assert "paused" not in (await operate(scene, "scan")).err


async def test_tests_go_on(scene: Scene) -> None:
    test = await scene.platform.notification(
        await scene.due_project(), notification_type="test", subject="A test", message="Do you read me?"
    )
    await pause(scene)
    workflow_id = (await scene.notification()).workflow_id
    startable = StartableNotification(
        test, NotificationType.TEST, workflow_id, (await scene.notification()).give_up_at, again=True
    )
    async with scene.worker():
        await start_and_mark(scene.client, send_options(scene.settings), scene.platform.engine, startable)
        await finished(scene.client, workflow_id)
    assert [mail.recipients for mail in scene.sink.messages] == [(EMAIL,)]
    assert len(scene.telegram.messages) == 1


async def test_what_becomes_pointless_meanwhile_is_given_up(scene: Scene) -> None:
    scene = replace(scene, settings=scene.settings.model_copy(update={"give_up_after": 15}))
    scene.sink.always("rcpt", GREYLISTED)
    scene.telegram.always("request", server_error())
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await scene.platform.execute("INSERT INTO pauses (operator, why) VALUES ('anna', 'a bad text')")
        await scene.children_end()
    assert (scene.sink.messages, scene.telegram.messages) == ([], [])
    assert await scene.ends() == ("undelivered", "failed", "failed")
    assert {row.reason for row in await scene.platform.deliveries()} == {"gave_up"}


async def test_the_schedules_follow_and_say_who_and_why(scene: Scene) -> None:
    await schedules.apply(scene.client, scene.settings)
    ended = await pause(scene, "--json")
    assert (ended.json["operator"], ended.json["why"], ended.json["already_paused"]) == ("anna", "a bad text", False)
    assert ended.json["paused_by_others"] == {}
    assert await state(scene) == replace(await state(scene), paused=True, note=NOTE)
    await resume(scene)
    assert await state(scene) == replace(await state(scene), paused=False, note="resumed by ben")


async def test_paused_twice_it_is_as_the_first_said(scene: Scene) -> None:
    await schedules.apply(scene.client, scene.settings)
    await pause(scene)
    again = await operate(scene, "pause", "--why", "another reason", "--by", "ben")
    assert (again.status, "UTC: a bad text" in again.out) == (0, True)
    assert await paused_rows(scene) == [("anna", "a bad text", None, True)]
    assert (await state(scene)).note == NOTE


async def test_killed_between_the_row_and_the_schedules_the_same_command_completes_it(scene: Scene) -> None:
    await schedules.apply(scene.client, scene.settings)
    async with scene.platform.engine.begin() as connection:
        assert await pauses.pause(connection, "anna", "a bad text")
    assert not (await state(scene)).paused
    await pause(scene)
    assert ((await state(scene)).paused, (await state(scene)).note) == (True, NOTE)


async def test_killed_after_the_row_was_closed_the_same_command_completes_it(scene: Scene) -> None:
    """A Schedule that bears its note is let go, and what was held is started."""
    await scene.due_project()
    await schedules.apply(scene.client, scene.settings)
    await pause(scene)
    async with scene.worker():
        await scene.scan()
        async with scene.platform.engine.begin() as connection:
            assert await pauses.resume(connection, "ben")
        assert "Sending is not paused." in (await resume(scene)).out
        await scene.sink.wait_for(1, PATIENCE)
        await scene.children_end()
    assert not (await state(scene)).paused


async def test_resumed_without_a_pause_it_says_so(scene: Scene) -> None:
    ended = await resume(scene)
    assert ended.out == "Sending is not paused.\n"
    assert await paused_rows(scene) == []


async def test_a_schedule_that_somebody_paused_by_hand_stays_theirs(scene: Scene) -> None:
    await schedules.apply(scene.client, scene.settings)
    await scene.client.get_schedule_handle(SCAN_EXPIRING).pause(note=BY_HAND)
    for ended in (await pause(scene), await resume(scene)):
        assert f"{SCAN_EXPIRING} stays paused, with this note: {BY_HAND}." in ended.out
        assert ((await state(scene)).paused, (await state(scene)).note) == (True, BY_HAND)


async def test_schedules_applied_during_a_pause_are_paused(scene: Scene) -> None:
    """What is there stays so; what is new is made so. Both go on with the sending."""
    await pause(scene)
    for result in ("created", "updated"):
        applied = await operate(scene, "schedules", "apply", "--json")
        assert applied.status == 0, applied.err
        assert {"schedule_id": SCAN_EXPIRING, "result": result} in applied.json["items"]
        assert ((await state(scene)).paused, (await state(scene)).note) == (True, NOTE)
    await resume(scene)
    assert not (await state(scene)).paused


async def test_with_temporal_away_the_sending_is_stopped_and_stays_so(scene: Scene) -> None:
    ended = await operate(scene, "pause", *WHY, TEMPORAL_ADDRESS=NOBODY_LISTENS)
    assert (ended.status, ended.out) == (1, "")
    assert "sending is paused, but the Schedules may not be paused" in ended.err
    assert await paused_rows(scene) == [("anna", "a bad text", None, True)]
    ended = await operate(scene, "resume", TEMPORAL_ADDRESS=NOBODY_LISTENS)
    assert (ended.status, ended.out) == (1, "")
    assert await paused_rows(scene) == [("anna", "a bad text", None, True)]


async def test_with_the_database_away_nothing_is_paused(scene: Scene) -> None:
    await schedules.apply(scene.client, scene.settings)
    away = "postgresql://nobody@127.0.0.1:1/nothing"
    for arguments in (("pause", *WHY), ("resume",)):
        ended = await operate(scene, *arguments, DATABASE_URL=away)
        assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert not (await state(scene)).paused
