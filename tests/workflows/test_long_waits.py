"""Hours, nights and days of waiting, on a server that skips them."""

from __future__ import annotations

from datetime import datetime, timedelta

from channels.configured import send_options
from contracts.queues import WORKFLOWS, task_queue
from contracts.scanning import StartHeldInput, TakeStartableInput, TakeStartableResult
from contracts.sending import DeliveryStatus
from local.stand_ins.smtp_actions import Reply
from local.stand_ins.telegram_answers import server_error, too_many_requests
from tests.support.time_skipping import SkippingScene, took
from workflows.start_held import LONGEST_SLEEP, START_HELD, StartHeldWorkflow

GREYLISTED = Reply(450, "4.2.0 greylisted")


async def test_greylisted_for_hours_the_gaps_double_to_half_an_hour(skipping: SkippingScene) -> None:
    gaps = [30, 60, 120, 240, 480, 960, *[1800] * 6]
    skipping.sink.on("rcpt", *[GREYLISTED] * len(gaps))
    async with skipping.workers():
        handle = await skipping.send(await skipping.notification(lasts=timedelta(days=3)))
    assert (await handle.result()).email is DeliveryStatus.ACCEPTED
    assert skipping.sink.attempts("rcpt") == len(gaps) + 1
    assert timedelta(seconds=sum(gaps)) <= await took(handle) < timedelta(seconds=sum(gaps) + 1800)


async def test_telegram_down_for_hours_the_gaps_double_to_ten_minutes(skipping: SkippingScene) -> None:
    gaps = [5, 10, 20, 40, 80, 160, 320, *[600] * 6]
    skipping.telegram.on("request", *[server_error()] * len(gaps))
    async with skipping.workers():
        handle = await skipping.send(await skipping.notification(lasts=timedelta(days=3)))
    assert (await handle.result()).telegram is DeliveryStatus.ACCEPTED
    assert skipping.telegram.attempts("request") == len(gaps) + 1
    assert timedelta(seconds=sum(gaps)) <= await took(handle) < timedelta(seconds=sum(gaps) + 600)


async def test_telegram_asks_for_an_hour_again_and_again_and_is_left_alone_for_as_long(skipping: SkippingScene) -> None:
    hours = timedelta(hours=5)
    skipping.telegram.on("request", *[too_many_requests(3600)] * 5)
    async with skipping.workers():
        handle = await skipping.send(await skipping.notification(lasts=timedelta(days=3)))
    assert (await handle.result()).telegram is DeliveryStatus.ACCEPTED
    assert skipping.telegram.attempts("request") == 6
    assert await took(handle) >= hours


async def test_refused_for_days_it_is_tried_until_the_items_end(skipping: SkippingScene) -> None:
    lasts = timedelta(days=2)
    skipping.sink.always("rcpt", GREYLISTED)
    async with skipping.workers():
        handle = await skipping.send(await skipping.notification(lasts=lasts))
    result = await handle.result()
    assert (result.email, result.telegram) == (DeliveryStatus.FAILED, DeliveryStatus.ACCEPTED)
    [email] = await skipping.platform.deliveries("email")
    assert (email.status, email.attempts) == ("failed", skipping.sink.attempts("rcpt"))
    assert email.reason in ("smtp_rcpt_450", "gave_up")
    assert lasts - timedelta(minutes=31) <= await took(handle) <= lasts
    assert email.attempts >= lasts / timedelta(minutes=30)


async def test_what_a_night_holds_back_is_started_in_the_morning(skipping: SkippingScene) -> None:
    """The database's clock does not skip, so its answers are prepared."""
    notification = await skipping.notification(lasts=timedelta(days=3))
    evening = await skipping.environment.get_current_time()
    morning = evening + timedelta(hours=9)
    looks: list[datetime] = []
    started: list[int] = []

    def take_startable(now: datetime, input: TakeStartableInput) -> TakeStartableResult:
        looks.append(now)
        started.extend(input.started)
        if now < morning:
            return TakeStartableResult([], 0, morning)
        return TakeStartableResult([] if started else [notification], 0)

    async with skipping.workers(take_startable):
        handle = await skipping.environment.client.start_workflow(
            StartHeldWorkflow.run,
            StartHeldInput(send_options(skipping.settings), morning),
            id=START_HELD,
            task_queue=task_queue(skipping.settings.task_queue_prefix, WORKFLOWS),
        )
        assert (await handle.result()).started == 1
        child = skipping.environment.client.get_workflow_handle(notification.workflow_id)
        await child.result()
    assert started == [notification.notification_id]
    assert (await child.describe()).start_time >= morning
    in_the_night = [look for look in looks if look < morning]
    assert len(in_the_night) == timedelta(hours=9) // LONGEST_SLEEP - 1
    assert (len(skipping.sink.messages), len(skipping.telegram.messages)) == (1, 1)
