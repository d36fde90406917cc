"""What every channel does, whichever it is: one suite for e-mail, Telegram and a third channel that lives under tests.

A new channel is added to `tests.support.channels_under_test` and to `CHANNELS`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.exceptions import ApplicationError

from activities.opening import NewAddressed, open_to_recipients
from channels.configured import new_renderer, send_options
from channels.registry import channels
from contracts.keys import NotificationType
from contracts.queues import WORKFLOWS, task_queue
from contracts.sending import (
    ALWAYS_DELIVERED,
    ATTEMPT_MARGIN,
    DeliveryToSend,
    SendNotificationInput,
    SendOptions,
)
from db.record import attempt
from db.record.attempt import SentText
from db.record.claim import Claim, claim_delivery
from local.stand_ins.smtp_sink import SmtpSink
from local.stand_ins.telegram_api import TelegramApi
from temporal.start import start_and_mark
from tests.support.channels_under_test import (
    SMTP_PASSWORD,
    SMTP_USER,
    ChannelUnderTest,
    EmailUnderTest,
    SmsUnderTest,
    TelegramUnderTest,
)
from tests.support.command_line import WHY, delivery_id, operate
from tests.support.health_scene import HealthScene
from tests.support.scene import PATIENCE, Scene, events
from tests.support.worker_process import worker_process
from workflows.search_attributes import DELIVERY_OUTCOMES
from workflows.send_notification import SendNotificationWorkflow

pytestmark = pytest.mark.usefixtures("sms_registered")

CHANNELS = ("email", "telegram", "sms")
WITH_SMS = ("-m", "tests.sms_channel")


@pytest.fixture
async def smtp_sink(reserved_port: Callable[[], int]) -> AsyncIterator[SmtpSink]:
    """With an account, so that credentials can be refused."""
    async with SmtpSink(port=reserved_port(), users={SMTP_USER: SMTP_PASSWORD}) as sink:
        yield sink


@pytest.fixture(params=CHANNELS)
def tested(
    request: pytest.FixtureRequest, smtp_sink: SmtpSink, telegram_api: TelegramApi, sms_registered: SmsUnderTest
) -> ChannelUnderTest:
    each: tuple[ChannelUnderTest, ...] = (EmailUnderTest(smtp_sink), TelegramUnderTest(telegram_api), sms_registered)
    [tested] = [channel for channel in each if channel.name == request.param]
    return tested


@dataclass(frozen=True)
class ChannelScene:
    """A scene whose only company is reached on the tested channel alone."""

    scene: Scene
    tested: ChannelUnderTest
    company: int

    @property
    def name(self) -> str:
        return self.tested.name

    async def due(self) -> int:
        """Another project about to end."""
        return await self.scene.platform.project(self.company)

    async def delivery(self) -> Any:
        """On the tested channel, of the only notification."""
        return await self.scene.delivery(self.name)

    async def newest(self) -> Any:
        """The newest delivery on the tested channel to the company."""
        [*_, newest] = [each for each in await self.scene.platform.deliveries(self.name) if each.contact_id]
        return newest

    async def suppressed(self) -> list[str]:
        rows = await self.scene.platform.rows(
            "SELECT address FROM suppressions WHERE channel = :channel", channel=self.name
        )
        return [row["address"] for row in rows]

    async def outcomes(self) -> list[str]:
        """What the search attribute of the only notification's workflow says."""
        described = await (await self.scene.child()).describe()
        return list(described.typed_search_attributes[DELIVERY_OUTCOMES])

    def all_outcomes(self, status: str) -> list[str]:
        """What it has to say: the channels of which every notification has a delivery have no address."""
        others = {f"{name}:skipped" for name in ALWAYS_DELIVERED if name != self.name}
        return sorted({*others, f"{self.name}:{status}"})

    async def ends(self) -> tuple[str, str]:
        """How the only notification ended, and its delivery on the tested channel; the others had no address."""
        notification = await self.scene.notification()
        deliveries = [
            each for each in await self.scene.platform.deliveries() if each.notification_id == notification.id
        ]
        assert {(each.status, each.reason) for each in deliveries if each.channel != self.name} == {
            ("skipped", "no_address")
        }
        delivery = await self.delivery()
        assert await self.outcomes() == self.all_outcomes(delivery.status)
        return notification.status, delivery.status


@pytest.fixture
async def scene_of(scene: Scene, tested: ChannelUnderTest) -> ChannelScene:
    company = await tested.company(scene.platform)
    return ChannelScene(scene.with_settings(**tested.settings), tested, company)


@pytest.fixture
async def checked(health: HealthScene, tested: ChannelUnderTest) -> HealthScene:
    """Health checks of a scene where the tested channel works."""
    return health.with_settings(**tested.settings)


async def test_what_the_provider_takes_is_accepted_and_its_text_is_kept(scene_of: ChannelScene) -> None:
    await scene_of.due()
    await scene_of.scene.scan_and_send()

    assert await scene_of.ends() == ("delivered", "accepted")
    delivery = await scene_of.delivery()
    assert (delivery.attempts, delivery.reason, delivery.possible_duplicate) == (1, None, False)
    assert (delivery.recipient, bool(delivery.provider_id), bool(delivery.provider_reply)) == (
        scene_of.tested.address,
        True,
        True,
    )
    [received] = scene_of.tested.received()
    assert received.address == scene_of.tested.address
    assert delivery.body.split() == received.text.split()
    assert "Project 1" in received.text or "Project 2" in received.text


async def test_a_message_refused_for_good_is_not_tried_again_and_its_address_is_still_used(
    scene_of: ChannelScene,
) -> None:
    reason = scene_of.tested.refuse_for_good()
    await scene_of.due()
    await scene_of.scene.scan_and_send()

    assert await scene_of.ends() == ("undelivered", "rejected")
    delivery = await scene_of.delivery()
    assert (delivery.reason, delivery.attempts, bool(delivery.provider_reply)) == (reason, 1, True)
    assert (scene_of.tested.received(), scene_of.tested.arrivals()) == ([], 1)
    assert await scene_of.suppressed() == []


async def test_a_recipient_who_is_gone_is_suppressed_until_an_operator_wants_it_otherwise(
    scene_of: ChannelScene,
) -> None:
    scene, tested = scene_of.scene, scene_of.tested
    reason = tested.say_gone()
    await scene_of.due()
    async with scene.worker():
        await scene.scan()
        await scene.children_end()
        assert await scene_of.ends() == ("undelivered", "rejected")
        assert ((await scene_of.newest()).reason, await scene_of.suppressed()) == (reason, [tested.address_key])

        tested.clear()
        await scene_of.due()
        await scene.scan()
        await scene.children_end()
        next_one = await scene_of.newest()
        assert (next_one.status, next_one.reason, next_one.attempts) == ("skipped", "suppressed", 0)
        assert (tested.received(), tested.arrivals()) == ([], 1)

        program = (*WITH_SMS, "cli.py")
        lifted = await operate(scene, "unsuppress", tested.name, tested.address, *WHY, program=program)
        assert lifted.status == 0, lifted.err
        await scene_of.due()
        await scene.scan()
        await scene.children_end()
    assert (await scene_of.newest()).status == "accepted"
    assert [each.address for each in tested.received()] == [tested.address]
    assert await scene_of.suppressed() == []


async def test_a_message_refused_for_now_is_tried_again_without_a_doubt(scene_of: ChannelScene) -> None:
    scene_of.tested.refuse_once()
    await scene_of.due()
    await scene_of.scene.scan_and_send()

    assert await scene_of.ends() == ("delivered", "accepted")
    delivery = await scene_of.delivery()
    assert (delivery.attempts, delivery.possible_duplicate) == (2, False)
    assert (len(scene_of.tested.received()), scene_of.tested.arrivals()) == (1, 2)


async def test_a_provider_that_is_away_gets_the_message_once_it_is_back(scene_of: ChannelScene) -> None:
    scene, tested = scene_of.scene, scene_of.tested
    await tested.goes_away()
    await scene_of.due()
    async with scene.worker():
        await scene.scan()
        await scene.put_off(tested.name, tested.away_reason)
        waiting = await scene_of.delivery()
        assert (waiting.status, waiting.reason) == ("pending", tested.away_reason)
        await tested.comes_back()
        await scene.children_end()

    assert await scene_of.ends() == ("delivered", "accepted")
    delivery = await scene_of.delivery()
    assert delivery.attempts > 1
    assert delivery.possible_duplicate is False
    assert len(tested.received()) == 1


async def test_a_lost_answer_is_sent_again_and_marked_or_ends_unknown_as_the_channel_has_it(
    scene_of: ChannelScene,
) -> None:
    tested = scene_of.tested
    tested.lose_an_answer()
    await scene_of.due()
    await scene_of.scene.scan_and_send()

    delivery = await scene_of.delivery()
    if tested.channel.resends_in_doubt(scene_of.scene.settings):
        assert await scene_of.ends() == ("delivered", "accepted")
        assert (delivery.attempts, delivery.possible_duplicate, delivery.reason) == (2, True, None)
        first, second = tested.received()
        assert first == second
    else:
        assert await scene_of.ends() == ("in_doubt", "unknown")
        assert (delivery.attempts, delivery.reason) == (1, "in_doubt")
        assert (len(tested.received()), tested.arrivals()) == (1, 1)


async def test_credentials_that_are_refused_alert_once_and_cost_no_notification(
    checked: HealthScene, tested: ChannelUnderTest
) -> None:
    scene, platform = checked.scene, checked.scene.platform
    reason = tested.refuse_us()
    company = await tested.company(platform)
    for _ in range(3):
        await platform.project(company)
    async with checked.worker():
        await scene.scan()
        async with asyncio.timeout(PATIENCE):
            while not await _all_wait(scene, tested.name, reason):
                await asyncio.sleep(0.05)  # the database tells nobody
        [problem] = await platform.rows("SELECT code, channel FROM problems")
        assert problem == {"code": reason, "channel": tested.name}
        assert (await checked.check()).problems == [reason]
        subject = f"{tested.channel.words.heading} is refused: {reason}"
        assert await checked.subjects() == [subject]
        assert tested.received() == []

        tested.clear()
        await scene.children_end()
        report = await checked.check()
        assert (report.problems, report.over) == ([], [reason])
        await scene.children_end()

    assert await platform.rows("SELECT code FROM problems") == []
    assert await checked.subjects() == [subject, f"Over: {subject}"]
    to_company = [each for each in await platform.deliveries(tested.name) if each.contact_id is not None]
    assert {(each.status, each.possible_duplicate) for each in to_company} == {("accepted", False)}
    assert [each.address for each in tested.received()].count(tested.address) == 3


async def _all_wait(scene: Scene, channel: str, reason: str) -> bool:
    """Whether an attempt at each of the three has met the refusal, and one has alerted, which follows its row."""
    deliveries = [each for each in await scene.platform.deliveries(channel) if each.contact_id is not None]
    waiting = [(each.status, each.reason) for each in deliveries] == [("pending", reason)] * 3
    return waiting and await scene.platform.rows("SELECT code FROM problems") != []


async def test_the_health_check_finds_that_the_provider_is_away_and_that_it_is_back(
    checked: HealthScene, tested: ChannelUnderTest
) -> None:
    code = tested.channel.away_code
    async with checked.worker():
        assert (await checked.check()).problems == []
        await tested.goes_away()
        report = await checked.check()
        assert (report.problems, report.raised) == ([code], [code])
        assert await checked.scene.platform.rows("SELECT code, channel FROM problems") == [
            {"code": code, "channel": tested.name}
        ]
        await tested.comes_back()
        report = await checked.check()
        assert (report.problems, report.over) == ([], [code])
        await checked.scene.children_end()
    found, over = await checked.subjects()
    assert (found, over) == (f"{tested.channel.words.provider} does not answer", f"Over: {found}")
    assert tested.channel.words.messages in await checked.message(found)


async def test_an_operator_has_a_rejected_delivery_sent_again(scene_of: ChannelScene) -> None:
    scene, tested = scene_of.scene, scene_of.tested
    tested.refuse_for_good()
    await scene_of.due()
    async with scene.worker():
        await scene.scan()
        await scene.children_end()
        assert await scene_of.ends() == ("undelivered", "rejected")
        tested.clear()
        program = (*WITH_SMS, "cli.py")
        resent = await operate(scene, "resend", await delivery_id(scene, tested.name), *WHY, program=program)
        assert (resent.status, resent.json["before"], resent.json["status"]) == (0, "rejected", "pending"), resent.err
        assert resent.err == ""
        await scene.children_end()

    assert await scene_of.ends() == ("delivered", "accepted")
    delivery = await scene_of.delivery()
    assert (delivery.attempts, len(tested.received())) == (2, 1)
    [noted] = await scene.platform.rows("SELECT action, operator, why, delivery_id, channel FROM interventions")
    assert (noted["action"], noted["operator"], noted["why"]) == ("resend", "anna", "they rang")
    assert delivery.id == noted["delivery_id"]


async def test_a_test_goes_to_a_recipient_of_its_own(
    scene: Scene, tested: ChannelUnderTest, engine: AsyncEngine
) -> None:
    scene = scene.with_settings(**tested.settings)
    new = NewAddressed(
        NotificationType.TEST, "test.of-a-channel", {tested.name: tested.other_address}, message="Can you read this?"
    )
    async with engine.begin() as connection:
        opened = await open_to_recipients(connection, scene.settings, new, datetime.now(UTC))
    async with scene.worker():
        await start_and_mark(scene.client, send_options(scene.settings), engine, opened)
        await scene.children_end()

    delivery = await scene.delivery(tested.name)
    assert (delivery.status, delivery.recipient, delivery.contact_id) == ("accepted", tested.other_address, None)
    others = [each for each in await scene.platform.deliveries() if each.channel != tested.name]
    assert {(each.channel, each.status, each.reason) for each in others} == {
        (name, "skipped", "not_requested") for name in ALWAYS_DELIVERED if name != tested.name
    }
    [received] = tested.received()
    assert received.address == tested.other_address
    assert "Can you read this?" in received.text


async def test_a_recipient_that_is_none_opens_nothing(
    scene: Scene, tested: ChannelUnderTest, engine: AsyncEngine
) -> None:
    new = NewAddressed(NotificationType.TEST, "test.of-nobody", {tested.name: tested.nonsense[1]}, message="x")
    async with engine.begin() as connection:
        with pytest.raises(ValueError, match="is not a"):
            await open_to_recipients(connection, scene.settings, new, datetime.now(UTC))
    assert await scene.platform.notifications() == []


async def test_neither_address_nor_secret_stands_in_a_history_or_in_the_log(scene_of: ChannelScene) -> None:
    """By a worker in a process of its own, whose log is the one that operators read."""
    scene, tested = scene_of.scene, scene_of.tested
    tested.refuse_once()
    await scene_of.due()
    async with worker_process(scene, (*WITH_SMS, "worker.py"), LOG_LEVEL="debug", **tested.environment) as worker:
        await scene.scan()
        await scene.children_end()
        tested.say_gone()
        await scene_of.due()
        await scene.scan()
        await scene.children_end()
        log = worker.output()

    assert [each.status for each in await scene.platform.deliveries(tested.name)] == ["accepted", "rejected"]
    private = (tested.address, tested.address_key, tested.secret)
    histories = [
        await scene.history(execution.id, execution.run_id) async for execution in scene.client.list_workflows()
    ]
    assert len(histories) > 3
    written = b"".join(event.SerializeToString() for each in histories for event in each.events)
    assert f"send_{tested.name}".encode() in written
    for each in private:
        assert each.encode() not in written
        assert each not in log
    assert tested.channel.mask(tested.address) in log


@dataclass(frozen=True)
class Claims:
    """Attempts at the only delivery on a channel, by the channel's own sender."""

    engine: AsyncEngine
    notification_id: int
    tested: ChannelUnderTest

    async def claim(self) -> Claim:
        async with self.engine.begin() as connection:
            claim = await claim_delivery(
                connection,
                self.notification_id,
                self.tested.name,
                delivery_id=None,
                run_id="run",
                attempt=1,
                configured=True,
                resend_in_doubt=False,
            )
        assert claim is not None
        assert claim.obstacle is None
        return claim

    async def mark_sending(self, claim: Claim, sent: SentText) -> None:
        """As an attempt does."""
        async with self.engine.begin() as connection:
            if not await attempt.mark_sending(connection, claim, sent):
                raise ApplicationError("a newer claim", type="superseded")


async def test_of_two_claims_the_newer_one_alone_hands_over(scene_of: ChannelScene, engine: AsyncEngine) -> None:
    settings, tested = scene_of.scene.settings, scene_of.tested
    notification = await scene_of.scene.platform.notification(await scene_of.due())
    claims = Claims(engine, notification, tested)
    first, second = await claims.claim(), await claims.claim()

    async with tested.channel.open(settings, new_renderer(settings), 1) as sender:
        with pytest.raises(ApplicationError) as refused:
            await sender.hand_over(first, tested.address, lambda sent: claims.mark_sending(first, sent))
        assert refused.value.type == "superseded"
        assert tested.received() == []
        receipt = await sender.hand_over(second, tested.address, lambda sent: claims.mark_sending(second, sent))

    assert receipt.reply
    assert [each.address for each in tested.received()] == [tested.address]
    assert (await scene_of.newest()).status == "sending"


async def test_an_alert_outside_of_the_record_reaches_its_recipient(scene_of: ChannelScene) -> None:
    settings, tested = scene_of.scene.settings, scene_of.tested
    async with tested.channel.open(settings, new_renderer(settings), 1) as sender:
        await sender.probe()
        assert tested.received() == []
        await sender.alert(tested.other_address, "alert.key", "The database is away", "Since noon.")
    [received] = tested.received()
    assert received.address == tested.other_address
    assert "Since noon." in received.text


def test_one_recipient_has_one_key_and_nonsense_has_none(tested: ChannelUnderTest) -> None:
    channel = tested.channel
    assert channel.address_key(tested.address_key) == tested.address_key
    assert channel.address_key(tested.other_address) != tested.address_key
    for nonsense in tested.nonsense:
        with pytest.raises(ValueError, match=r"is not an? ") as refused:
            channel.address_key(nonsense)
        assert repr(nonsense) in str(refused.value)


def test_what_a_mask_leaves_is_no_address(tested: ChannelUnderTest) -> None:
    for address in (tested.address, tested.other_address, tested.address_key):
        masked = tested.channel.mask(address)
        assert "***" in masked
        assert address not in masked


async def test_a_share_of_the_limit_names_nobody(scene_of: ChannelScene) -> None:
    share = scene_of.tested.channel.fairness(scene_of.scene.settings)
    mine = share(7, scene_of.tested.address)
    assert mine == share(7, scene_of.tested.address)
    assert mine.key
    assert not {scene_of.tested.address, scene_of.tested.address_key} & {mine.key}
    assert share(None, None).weight == 1.0


def test_every_channel_has_names_and_codes_of_its_own() -> None:
    """Two channels with one code would end each other's problems."""
    known = channels()
    assert [each.name for each in known] == list(CHANNELS)
    for values in ([each.away_code for each in known], [each.needs for each in known]):
        assert len(set(values)) == len(known)


def plainly(scene: Scene, name: str) -> SendOptions:
    """The options of a release that did not know the channel."""
    options = send_options(scene.settings)
    return replace(options, channels={each: own for each, own in options.channels.items() if each != name})


async def test_options_made_without_this_channel_leave_it_the_plans_own(
    scene: Scene, sms_registered: SmsUnderTest
) -> None:
    """Of e-mail and Telegram there is no such case: their options have had fields since the first release."""
    company = await sms_registered.company(scene.platform)
    notification_id = await scene.platform.notification(await scene.platform.project(company))
    notification, delivery = await scene.notification(), await scene.delivery("sms")
    options = plainly(scene, "sms")
    assert options.of_channel("sms") is None
    input = SendNotificationInput(
        notification_id, notification.give_up_at, options, deliveries=[DeliveryToSend(delivery.id, "sms")]
    )
    async with scene.worker():
        await scene.client.execute_workflow(
            SendNotificationWorkflow.run,
            input,
            id=notification.workflow_id,
            task_queue=task_queue(scene.settings.task_queue_prefix, WORKFLOWS),
        )

    assert (await scene.delivery("sms")).status == "accepted"
    [scheduled] = events(await scene.history(), "ACTIVITY_TASK_SCHEDULED")
    attributes, plan = scheduled.activity_task_scheduled_event_attributes, sms_registered.plan
    assert attributes.activity_type.name == "send_sms"
    policy, bound = attributes.retry_policy, attributes.start_to_close_timeout
    assert policy.initial_interval.ToTimedelta() == timedelta(seconds=plan.options.retry_initial)
    assert policy.maximum_interval.ToTimedelta() == plan.longest_retry
    assert bound.ToTimedelta() == timedelta(seconds=plan.options.attempt_timeout) + ATTEMPT_MARGIN
