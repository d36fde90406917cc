"""A refusal for good on one channel: the other one delivers, and the child completes."""

from __future__ import annotations

from dataclasses import replace

from temporalio.api.enums.v1 import RetryState
from temporalio.client import WorkflowExecutionStatus

from contracts.sending import DeliveryStatus, NotificationStatus, SendNotificationResult
from local.stand_ins.smtp_actions import Reply
from local.stand_ins.telegram_answers import blocked
from tests.support.scene import CHAT, EMAIL, Scene, events


async def test_a_mailbox_that_does_not_exist_leaves_the_telegram_message(scene: Scene) -> None:
    scene.sink.always("rcpt", Reply(550, f"5.1.1 <{EMAIL}>: no such mailbox"), recipient=EMAIL)
    await scene.due_project()
    await scene.scan_and_send()

    assert scene.sink.messages == []
    assert scene.sink.attempts("rcpt") == 1
    assert [message.chat_id for message in scene.telegram.messages] == [CHAT]
    assert await scene.ends() == ("delivered", "rejected", "accepted")
    email = await scene.delivery("email")
    assert (email.reason, email.attempts) == ("smtp_rcpt_550", 1)
    assert email.provider_reply == f"550 5.1.1 <{EMAIL}>: no such mailbox"


async def test_a_bot_blocked_by_the_user_leaves_the_mail(scene: Scene) -> None:
    scene.telegram.always("request", blocked(), recipient=CHAT)
    await scene.due_project()
    await scene.scan_and_send()

    assert scene.telegram.messages == []
    assert scene.telegram.attempts("request") == 1
    assert [mail.recipients for mail in scene.sink.messages] == [(EMAIL,)]
    assert await scene.ends() == ("delivered", "accepted", "rejected")
    telegram = await scene.delivery("telegram")
    assert (telegram.reason, telegram.attempts) == ("telegram_blocked", 1)


async def test_the_child_completes_and_its_history_shows_the_kind_of_failure(scene: Scene) -> None:
    scene.telegram.always("request", blocked(), recipient=CHAT)
    await scene.due_project()
    await scene.scan_and_send()

    child = await scene.child()
    assert (await child.describe()).status is WorkflowExecutionStatus.COMPLETED
    result = await child.result()
    assert replace(result, deliveries=[]) == SendNotificationResult(
        NotificationStatus.DELIVERED,
        DeliveryStatus.ACCEPTED,
        DeliveryStatus.REJECTED,
        telegram_reason="telegram_blocked",
    )
    assert [(each.channel, each.status, each.reason) for each in result.deliveries] == [
        ("email", "accepted", None),
        ("telegram", "rejected", "telegram_blocked"),
    ]
    [failed] = events(await scene.history(), "ACTIVITY_TASK_FAILED")
    attributes = failed.activity_task_failed_event_attributes
    assert attributes.failure.application_failure_info.type == "telegram_blocked"
    assert attributes.retry_state == RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE


async def test_the_history_names_neither_the_recipient_nor_the_bot(scene: Scene) -> None:
    scene.sink.always("rcpt", Reply(550, f"5.1.1 <{EMAIL}>: no such mailbox"), recipient=EMAIL)
    chat = -1001234567890
    scene.telegram.always("request", blocked(), recipient=chat)
    await scene.due_project(telegram_chat_id=chat)
    await scene.scan_and_send()

    history = await scene.history()
    assert len(events(history, "ACTIVITY_TASK_FAILED")) == 2
    written = b"".join(event.SerializeToString() for event in history.events).decode("utf-8", "replace")
    assert "smtp_rcpt_550" in written
    for private in (EMAIL, "customer.example", str(chat), scene.telegram.token, "no such mailbox"):
        assert private not in written


async def test_refused_on_both_channels_it_is_undelivered(scene: Scene) -> None:
    scene.sink.always("rcpt", Reply(550, "5.2.2 mailbox full"))
    scene.telegram.always("request", blocked())
    project = await scene.due_project()
    await scene.scan_and_send()

    assert (scene.sink.messages, scene.telegram.messages) == ([], [])
    assert await scene.ends() == ("undelivered", "rejected", "rejected")
    told_at = await scene.platform.scalar("SELECT last_notification_sent_at FROM projects WHERE id = :id", id=project)
    assert told_at is None
