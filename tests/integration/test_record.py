"""The record settles what attempts left without a result, and the notification over both channels."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.sending import DeliveryStatus, Evidence, KnownDelivery, Reason, SendNotificationResult, SendResult
from db.record import attempt, settle
from db.record.attempt import SentText
from db.record.claim import Claim, claim_delivery
from tests.support.data import Platform

GAVE_UP = SendResult(DeliveryStatus.FAILED, Reason.GAVE_UP)


@pytest.fixture
async def notification_id(platform: Platform) -> int:
    return await platform.notification(await platform.project(await platform.company()))


def known(email: SendResult, telegram: SendResult) -> list[KnownDelivery]:
    return [KnownDelivery(None, "email", email), KnownDelivery(None, "telegram", telegram)]


async def record(
    engine: AsyncEngine, notification_id: int, email: SendResult = GAVE_UP, telegram: SendResult = GAVE_UP
) -> SendNotificationResult | None:
    async with engine.begin() as connection:
        recorded = await settle.record(connection, notification_id, known(email, telegram))
    return None if recorded is None else recorded.result


async def stand(platform: Platform, email: str, telegram: str) -> None:
    """Has the deliveries stand as attempts may have left them."""
    for channel, status in (("email", email), ("telegram", telegram)):
        await platform.execute(
            "UPDATE deliveries SET status = :status WHERE channel = :channel", status=status, channel=channel
        )


@pytest.mark.parametrize(
    ("left", "ended"),
    [
        (("pending", "pending"), ("undelivered", "failed", "failed")),
        (("pending", "sending"), ("in_doubt", "failed", "unknown")),
        (("sending", "accepted"), ("delivered", "unknown", "accepted")),
        (("accepted", "accepted"), ("delivered", "accepted", "accepted")),
        (("accepted", "rejected"), ("delivered", "accepted", "rejected")),
        (("rejected", "unknown"), ("in_doubt", "rejected", "unknown")),
        (("skipped", "rejected"), ("undelivered", "skipped", "rejected")),
        (("skipped", "skipped"), ("undelivered", "skipped", "skipped")),
    ],
    ids=" and ".join,
)
async def test_how_channels_stand_decides_how_they_and_the_notification_end(
    engine: AsyncEngine,
    platform: Platform,
    notification_id: int,
    left: tuple[str, str],
    ended: tuple[str, str, str],
) -> None:
    await stand(platform, *left)
    outcome = await record(engine, notification_id)
    assert outcome is not None
    assert (outcome.status, outcome.email, outcome.telegram) == ended
    [notification] = await platform.notifications()
    assert notification.status == ended[0]
    assert tuple(each.status for each in await platform.deliveries()) == ended[1:]


async def test_recorded_twice_nothing_changes(engine: AsyncEngine, platform: Platform, notification_id: int) -> None:
    await stand(platform, "sending", "pending")
    first = await record(engine, notification_id)
    rows = await platform.notifications() + await platform.deliveries()
    assert await record(engine, notification_id) == first
    assert await platform.notifications() + await platform.deliveries() == rows


async def test_only_what_the_record_settles_gets_its_reason(
    engine: AsyncEngine, platform: Platform, notification_id: int
) -> None:
    await stand(platform, "rejected", "pending")
    await platform.execute("UPDATE deliveries SET reason = 'smtp_rcpt_550' WHERE channel = 'email'")
    outcome = await record(engine, notification_id)
    assert outcome is not None
    assert (outcome.email_reason, outcome.telegram_reason) == ("smtp_rcpt_550", "gave_up")
    assert [each.reason for each in await platform.deliveries()] == ["smtp_rcpt_550", "gave_up"]


@pytest.mark.parametrize("left", ["pending", "sending", "unknown", "failed"])
async def test_an_acceptance_that_only_the_workflow_knows_of_counts(
    engine: AsyncEngine, platform: Platform, notification_id: int, left: str
) -> None:
    await stand(platform, "rejected", left)
    accepted = SendResult(DeliveryStatus.ACCEPTED, evidence=Evidence("4711", "200 ok"))
    outcome = await record(engine, notification_id, telegram=accepted)
    assert outcome is not None
    assert (outcome.status, outcome.telegram) == ("delivered", "accepted")
    [telegram] = await platform.deliveries("telegram")
    assert (telegram.provider_id, telegram.provider_reply, telegram.reason) == ("4711", "200 ok", None)


async def test_a_project_counts_as_told_when_one_channel_accepted_and_not_before(
    engine: AsyncEngine, platform: Platform, notification_id: int
) -> None:
    async def told_at() -> object:
        return await platform.scalar("SELECT last_notification_sent_at FROM projects")

    await stand(platform, "failed", "failed")
    await record(engine, notification_id)
    assert await told_at() is None
    other = await platform.notification(await platform.scalar("SELECT id FROM projects"))
    await stand(platform, "accepted", "failed")
    await record(engine, other)
    assert await told_at() is not None


async def test_of_a_withdrawn_notification_there_is_nothing_to_record(
    engine: AsyncEngine, platform: Platform, notification_id: int
) -> None:
    await platform.execute("DELETE FROM notifications")
    assert await record(engine, notification_id) is None


async def in_flight(engine: AsyncEngine, notification_id: int) -> Claim:
    """An e-mail that is being handed over."""
    async with engine.begin() as connection:
        claim = await claim_delivery(
            connection,
            notification_id,
            "email",
            delivery_id=None,
            run_id="run",
            attempt=1,
            configured=True,
            resend_in_doubt=True,
        )
        assert claim is not None
        assert await attempt.mark_sending(connection, claim, SentText("Soon", "It ends."))
    return claim


async def a_session_waits_for_a_lock(platform: Platform) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
    async with asyncio.timeout(60):
        while not await platform.scalar(waiting):
            await asyncio.sleep(0.02)  # the database tells nobody


async def test_an_acceptance_in_the_midst_of_the_record_delivers_the_notification(
    engine: AsyncEngine, platform: Platform, notification_id: int
) -> None:
    """The workflow gives up while the attempt's 250 is on its way to the database."""
    claim = await in_flight(engine, notification_id)

    async def accept() -> None:
        async with engine.begin() as connection:
            await attempt.accept(connection, claim, None, "250 Ok")

    async with engine.begin() as connection:
        recorded = await settle.record(connection, notification_id, known(GAVE_UP, GAVE_UP))
        assert recorded is not None
        assert recorded.result.status == "in_doubt"
        accepting = asyncio.create_task(accept())
        await a_session_waits_for_a_lock(platform)
    await accepting

    assert [each.status for each in await platform.deliveries()] == ["accepted", "failed"]
    [notification] = await platform.notifications()
    assert notification.status == "delivered"


async def test_the_record_waits_for_an_acceptance_that_is_being_written(
    engine: AsyncEngine, platform: Platform, notification_id: int
) -> None:
    claim = await in_flight(engine, notification_id)
    async with engine.begin() as connection:
        await attempt.accept(connection, claim, None, "250 Ok")
        recording = asyncio.create_task(record(engine, notification_id))
        await a_session_waits_for_a_lock(platform)
    outcome = await recording
    assert outcome is not None
    assert (outcome.status, outcome.email) == ("delivered", "accepted")
