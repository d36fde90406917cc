"""What the receiving side asks to be tried again later, and when it is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from local.stand_ins.smtp_actions import Reply
from local.stand_ins.telegram_answers import migrated, server_error, too_many_requests
from tests.support.scene import CHAT, EMAIL, PATIENCE, Scene, events

GREYLISTED = Reply(450, "4.2.0 greylisted")


async def test_a_greylisted_mail_is_accepted_at_the_second_attempt(scene: Scene) -> None:
    scene.sink.on("rcpt", GREYLISTED)
    await scene.due_project()
    await scene.scan_and_send()

    assert scene.sink.attempts("rcpt") == 2
    assert [mail.recipients for mail in scene.sink.messages] == [(EMAIL,)]
    assert await scene.ends() == ("delivered", "accepted", "accepted")
    email = await scene.delivery("email")
    assert (email.attempts, email.reason, email.possible_duplicate) == (2, None, False)


async def test_a_refusal_after_the_text_was_sent_is_tried_again_without_doubt(scene: Scene) -> None:
    """A 451 after the final dot says for sure that nothing was taken."""
    scene.sink.on("dot", Reply(451, "4.3.0 queue full"))
    await scene.due_project()
    await scene.scan_and_send()

    assert len(scene.sink.messages) == 1
    email = await scene.delivery("email")
    assert (email.status, email.attempts, email.possible_duplicate) == ("accepted", 2, False)


async def test_a_greylisted_mail_does_not_hold_back_the_telegram_message(scene: Scene) -> None:
    scene.sink.always("rcpt", GREYLISTED)
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await scene.telegram.wait_for(1, PATIENCE)
        await scene.sink.wait_for_stage("rcpt", count=2, timeout=PATIENCE)
        assert scene.sink.messages == []
        scene.sink.clear()
        await scene.children_end()

    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (1, 1)


async def test_telegram_is_asked_again_no_sooner_than_it_said(scene: Scene) -> None:
    retry_after = 2
    held = scene.telegram.hold("request")
    scene.telegram.on("request", too_many_requests(retry_after))
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await asyncio.wait_for(held.reached.wait(), PATIENCE)
        before_the_answer = datetime.now(UTC)
        held.release()
        await scene.children_end()

    assert scene.telegram.attempts("request") == 2
    [message] = scene.telegram.messages
    assert message.accepted_at - before_the_answer >= timedelta(seconds=retry_after)
    telegram = await scene.delivery("telegram")
    assert (telegram.status, telegram.attempts, telegram.possible_duplicate) == ("accepted", 2, False)
    assert len(scene.sink.messages) == 1


async def test_a_server_error_of_telegrams_is_tried_again(scene: Scene) -> None:
    scene.telegram.on("request", server_error(502), server_error(500))
    await scene.due_project()
    await scene.scan_and_send()

    assert (scene.telegram.attempts("request"), len(scene.telegram.messages)) == (3, 1)
    assert (await scene.delivery("telegram")).possible_duplicate is False


async def test_a_group_that_moved_is_told_at_once_under_its_new_id(scene: Scene) -> None:
    supergroup = -1001234567890123
    scene.telegram.always("request", migrated(supergroup), recipient=CHAT)
    await scene.due_project()
    await scene.scan_and_send()

    assert [message.chat_id for message in scene.telegram.messages] == [supergroup]
    telegram = await scene.delivery("telegram")
    assert (telegram.status, telegram.attempts, telegram.recipient) == ("accepted", 2, str(supergroup))
    assert await scene.platform.scalar("SELECT address FROM contacts WHERE channel = 'telegram'") == str(supergroup)


async def test_a_first_wait_longer_than_the_longest_between_attempts_is_kept(scene: Scene) -> None:
    scene = scene.with_settings(email_retry_initial=3600, telegram_retry_initial=3600)
    await scene.due_project()
    await scene.scan_and_send()

    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (1, 1)


async def test_an_attempt_that_is_retried_leaves_one_line_in_the_history(scene: Scene) -> None:
    """The server counts attempts beside the history: retries cost the child no events."""
    scene.sink.on("rcpt", GREYLISTED, GREYLISTED)
    await scene.due_project()
    await scene.scan_and_send()

    started = events(await scene.history(), "ACTIVITY_TASK_STARTED")
    attempts = [event.activity_task_started_event_attributes.attempt for event in started]
    assert sorted(attempts) == [1, 3]
