"""When nothing helps any more: the attempts end in time, and the record says why."""

from __future__ import annotations

from temporalio.api.enums.v1 import RetryState

from local.stand_ins.script import Hang
from local.stand_ins.smtp_actions import Reply
from local.stand_ins.telegram_answers import server_error, too_many_requests
from tests.support.data import in_days
from tests.support.scene import Scene, events

LATER = Reply(451, "4.3.0 try later")


async def test_what_is_put_off_until_it_would_be_pointless_fails_with_the_last_reason(scene: Scene) -> None:
    scene.sink.always("rcpt", LATER)
    await scene.due_project()
    await scene.with_settings(give_up_after=15).scan_and_send()

    assert scene.sink.messages == []
    assert await scene.ends() == ("delivered", "failed", "accepted")
    email = await scene.delivery("email")
    assert email.reason in ("smtp_rcpt_451", "gave_up")
    assert email.attempts == scene.sink.attempts("rcpt")
    assert email.claimed_at < (await scene.notification()).give_up_at


async def test_given_up_on_both_channels_it_is_undelivered(scene: Scene) -> None:
    scene.sink.always("rcpt", LATER)
    scene.telegram.always("request", server_error())
    await scene.due_project()
    # The third attempt would come after the time is over: none is under way at that moment.
    await scene.with_settings(give_up_after=5, email_retry_initial=2, telegram_retry_initial=2).scan_and_send()

    assert (scene.sink.messages, scene.telegram.messages) == ([], [])
    assert await scene.ends() == ("undelivered", "failed", "failed")
    assert (await scene.delivery("telegram")).reason in ("telegram_500", "gave_up")


async def test_the_items_end_is_when_a_warning_becomes_pointless(scene: Scene) -> None:
    scene.sink.always("rcpt", LATER)
    ends_at = in_days(8 / 86400)
    await scene.platform.project(await scene.platform.company(), expires_at=ends_at)
    await scene.scan_and_send()

    assert (await scene.notification()).give_up_at == ends_at
    email = await scene.delivery("email")
    assert email.status == "failed"
    assert email.claimed_at is None or email.claimed_at < ends_at


async def test_telegram_asks_to_wait_beyond_the_deadline_and_it_fails_at_once(scene: Scene) -> None:
    """Too late is not refused: the retry state says so."""
    scene.telegram.always("request", too_many_requests(3000))
    await scene.due_project()
    await scene.with_settings(give_up_after=600).scan_and_send()

    assert scene.telegram.attempts("request") == 1
    assert await scene.ends() == ("delivered", "accepted", "failed")
    assert (await scene.delivery("telegram")).reason == "telegram_429"
    [failed] = events(await scene.history(), "ACTIVITY_TASK_FAILED")
    assert failed.activity_task_failed_event_attributes.retry_state == RetryState.RETRY_STATE_TIMEOUT
    closed_at = (await (await scene.child()).describe()).close_time
    assert closed_at is not None
    assert closed_at < (await scene.notification()).give_up_at


async def test_a_server_that_says_nothing_holds_an_attempt_no_longer_than_the_deadline(scene: Scene) -> None:
    """Nothing of the mail was handed over when RCPT was not answered; Telegram may have taken the message."""
    scene.sink.always("rcpt", Hang())
    scene.telegram.always("request", Hang())
    await scene.due_project()
    await scene.with_settings(give_up_after=5).scan_and_send()

    assert (scene.sink.attempts("rcpt"), scene.telegram.attempts("request")) == (1, 1)
    assert await scene.ends() == ("in_doubt", "failed", "unknown")


async def test_an_attempt_without_an_answer_ends_by_its_own_time_out_and_another_follows(scene: Scene) -> None:
    scene.sink.on("rcpt", Hang())
    await scene.due_project()
    await scene.with_settings(email_attempt_timeout=1).scan_and_send()

    assert (scene.sink.attempts("rcpt"), len(scene.sink.messages)) == (2, 1)
    email = await scene.delivery("email")
    assert (email.status, email.attempts, email.possible_duplicate) == ("accepted", 2, False)


async def test_what_is_started_too_late_is_not_tried(scene: Scene) -> None:
    """Opened in time, but the worker was away until the end."""
    project = await scene.due_project()
    await scene.platform.notification(project, give_up_at=in_days(-1))
    await scene.scan_and_send()

    assert (scene.sink.connections_opened, scene.telegram.connections_opened) == (0, 0)
    assert await scene.ends() == ("undelivered", "failed", "failed")
    assert {(each.reason, each.attempts) for each in await scene.platform.deliveries()} == {("gave_up", 0)}
