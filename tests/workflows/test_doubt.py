"""The receiving side took the message and its answer got lost: through a whole run."""

from __future__ import annotations

from local.stand_ins.script import AcceptThenReset, Reset
from local.stand_ins.smtp_actions import Reply
from tests.support.scene import CHAT, EMAIL, PATIENCE, Scene


async def test_a_telegram_message_whose_answer_got_lost_ends_unknown_and_is_sent_once(scene: Scene) -> None:
    scene.telegram.on("request", AcceptThenReset())
    await scene.due_project()
    await scene.scan_and_send()

    assert [message.chat_id for message in scene.telegram.messages] == [CHAT]
    assert scene.telegram.attempts("request") == 1
    assert await scene.ends() == ("delivered", "accepted", "unknown")
    assert (await scene.delivery("telegram")).reason == "in_doubt"


async def test_with_no_other_channel_the_notification_is_in_doubt(scene: Scene) -> None:
    scene.telegram.on("request", AcceptThenReset())
    await scene.due_project(contact_email=None)
    await scene.scan_and_send()

    assert await scene.ends() == ("in_doubt", "skipped", "unknown")


async def test_a_mail_whose_answer_got_lost_is_sent_again_with_the_same_message_id(scene: Scene) -> None:
    scene.sink.on("dot", AcceptThenReset())
    await scene.due_project()
    await scene.scan_and_send()

    assert [mail.recipients for mail in scene.sink.messages] == [(EMAIL,), (EMAIL,)]
    first, second = scene.sink.messages
    assert first.message_id == second.message_id == (await scene.delivery("email")).provider_id
    assert first.subject == second.subject
    assert await scene.ends() == ("delivered", "accepted", "accepted")
    email = await scene.delivery("email")
    assert (email.attempts, email.possible_duplicate) == (2, True)
    assert (await scene.delivery("telegram")).possible_duplicate is False


async def test_a_mail_refused_for_good_after_a_doubt_ends_unknown(scene: Scene) -> None:
    scene.sink.on("dot", AcceptThenReset(), Reply(550, "5.6.0 seen before"))
    await scene.due_project()
    await scene.scan_and_send()

    assert len(scene.sink.messages) == 1
    assert await scene.ends() == ("delivered", "unknown", "accepted")
    assert (await scene.delivery("email")).reason == "smtp_data_end_550"


async def test_a_connection_lost_before_the_text_leaves_no_doubt(scene: Scene) -> None:
    scene.sink.on("rcpt", Reset())
    await scene.due_project()
    await scene.scan_and_send()

    assert len(scene.sink.messages) == 1
    email = await scene.delivery("email")
    assert (email.status, email.attempts, email.possible_duplicate) == ("accepted", 2, False)


async def test_nobody_at_telegrams_door_leaves_no_doubt(scene: Scene) -> None:
    await scene.telegram.stop()
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await scene.sink.wait_for(1, PATIENCE)
        await scene.telegram.start()
        await scene.children_end()

    assert len(scene.telegram.messages) == 1
    telegram = await scene.delivery("telegram")
    assert (telegram.status, telegram.possible_duplicate) == ("accepted", False)
