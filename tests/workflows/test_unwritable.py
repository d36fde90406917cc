"""What PostgreSQL refuses to write: a wrong value ends what needed it, a wrong schema lets it wait."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from contracts.scanning import ScanExpiringResult
from contracts.sending import DeliveryStatus, Evidence, KnownDelivery, NotificationStatus, SendResult
from db.engine import create_engine
from db.record import settle
from local.stand_ins.smtp_actions import Reply
from tests.support.health_scene import ADMIN
from tests.support.scene import PATIENCE, Scene, events
from tests.workflows.test_database_away import until_the_record_waits_for_the_database
from workflows.retry_policies import RECORD_FOR

ENDED = "OLD.status = 'open' AND NEW.status <> 'open'"
QUOTING = "NEW.provider_reply LIKE '%refuse me%'"


async def refuse(scene: Scene, table: str, condition: str, state: str) -> None:
    """PostgreSQL refuses such an update of the table, with this SQLSTATE."""
    await scene.platform.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$"
        f" BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '{state}'; END $$"
    )
    await scene.platform.execute(
        f"CREATE TRIGGER refuse BEFORE UPDATE ON {table} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refuse()"
    )


async def take(scene: Scene) -> None:
    """PostgreSQL takes all updates again."""
    await scene.platform.execute("DROP FUNCTION refuse CASCADE")


@pytest.mark.parametrize("state", ["22021", "23514"])
async def test_a_refusal_that_cannot_be_written_ends_the_delivery_at_once(scene: Scene, state: str) -> None:
    await refuse(scene, "deliveries", QUOTING, state)
    scene.sink.always("rcpt", Reply(451, "4.3.0 refuse me"))
    await scene.due_project(telegram_chat_id=None)
    await scene.scan_and_send()

    assert await scene.ends() == ("undelivered", "failed", "skipped")
    email = await scene.delivery("email")
    assert (email.reason, email.attempts, email.provider_reply) == ("unwritable", 1, None)
    assert scene.sink.attempts("rcpt") == 1


async def test_a_refusal_for_good_that_cannot_be_written_is_one_without_its_text(scene: Scene) -> None:
    await refuse(scene, "deliveries", QUOTING, "22021")
    scene.sink.on("rcpt", Reply(550, "5.1.1 refuse me"))
    await scene.due_project(telegram_chat_id=None)
    await scene.scan_and_send()

    assert await scene.ends() == ("undelivered", "rejected", "skipped")
    email = await scene.delivery("email")
    assert (email.reason, email.provider_reply) == ("smtp_rcpt_550", "550 5.1.1 (text of the reply not kept)")


async def test_an_acceptance_that_cannot_be_written_is_one_without_its_text(scene: Scene) -> None:
    await refuse(scene, "deliveries", QUOTING, "22021")
    scene.sink.on("reply", Reply(250, "2.0.0 refuse me"))
    await scene.due_project(telegram_chat_id=None)
    await scene.scan_and_send()

    assert len(scene.sink.messages) == 1
    assert await scene.ends() == ("delivered", "accepted", "skipped")
    email = await scene.delivery("email")
    assert (email.attempts, email.possible_duplicate) == (1, False)
    assert email.provider_reply == "250 2.0.0 (text of the reply not kept)"


async def test_a_text_that_cannot_be_written_is_not_sent(scene: Scene) -> None:
    await refuse(scene, "deliveries", "NEW.status = 'sending' AND NEW.channel = 'email'", "22021")
    await scene.due_project()
    await scene.scan_and_send()

    assert scene.sink.messages == []
    assert await scene.ends() == ("delivered", "failed", "accepted")
    email = await scene.delivery("email")
    assert (email.reason, email.attempts) == ("unwritable", 1)


async def test_a_bad_schema_waits_with_one_alert_and_ends_nothing(scene: Scene) -> None:
    scene = scene.with_settings(admin_email=ADMIN)
    await scene.due_project(telegram_chat_id=None)
    await refuse(scene, "deliveries", "NEW.claim_seq > OLD.claim_seq AND NEW.notification_id = 1", "42501")
    async with scene.worker():
        await scene.scan()
        [alert] = await scene.sink.wait_for(1, PATIENCE)
        await tried_again(scene)
        assert await scene.ends() == ("open", "pending", "pending")
        await take(scene)
        await scene.children_end()

    assert alert.recipients == (ADMIN,)
    assert await scene.ends() == ("delivered", "accepted", "skipped")
    assert (await scene.delivery("email")).attempts == 1
    subjects = [each.subject for each in await scene.platform.notifications() if each.notification_type == "alert"]
    assert subjects == ["PostgreSQL refuses a statement: ProgrammingError 42501"]


async def tried_again(scene: Scene) -> None:
    child = await scene.child()
    async with asyncio.timeout(PATIENCE):
        while not any(each.attempt > 2 for each in (await child.describe()).raw_description.pending_activities):
            await asyncio.sleep(0.05)  # the server tells nobody


async def test_an_outcome_that_cannot_be_written_is_taken_from_the_workflow_later(scene: Scene) -> None:
    await refuse(scene, "notifications", ENDED, "23514")
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        child = await scene.child()
        result = await child.result()
        assert (result.status, result.email, result.telegram) == (
            NotificationStatus.DELIVERED,
            DeliveryStatus.ACCEPTED,
            DeliveryStatus.ACCEPTED,
        )
        assert await scene.ends() == ("open", "accepted", "accepted")
        await take(scene)
        assert await scene.scan() == ScanExpiringResult(found=0, opened=0, started=0, recovered=1)

    assert await scene.ends() == ("delivered", "accepted", "accepted")
    notification = await scene.notification()
    assert notification.finished_at == (await child.describe()).close_time
    assert datetime.fromisoformat(notification.metadata["reconstructed_at"]) > notification.finished_at
    assert "queued as" in (await scene.delivery("email")).provider_reply
    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (1, 1)


async def test_a_record_is_tried_as_long_as_it_is_of_use(scene: Scene) -> None:
    await refuse(scene, "notifications", ENDED, "53100")
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        child = await scene.child()
        await until_the_record_waits_for_the_database(child)
        await take(scene)
        await child.result()

    [record] = [
        each
        for each in events(await child.fetch_history(), "ACTIVITY_TASK_SCHEDULED")
        if each.activity_task_scheduled_event_attributes.activity_type.name == "record_outcome"
    ]
    lasts = record.activity_task_scheduled_event_attributes.schedule_to_close_timeout.ToTimedelta()
    until = record.event_time.ToDatetime(tzinfo=(await scene.notification()).give_up_at.tzinfo) + lasts
    give_up_at = (await scene.notification()).give_up_at
    assert abs(until - (give_up_at + RECORD_FOR)) < timedelta(minutes=1)
    assert await scene.ends() == ("delivered", "accepted", "accepted")


async def test_what_an_older_release_put_into_a_history_is_clean_before_it_is_written(scene: Scene) -> None:
    await scene.due_project()
    notification_id = await scene.platform.notification(1)
    said = Evidence("7\x00", f"250 accept\udce9 {'x' * 5000}\x00")
    engine = create_engine(scene.settings, "test")
    async with engine.begin() as connection:
        known = [KnownDelivery(None, "email", SendResult(DeliveryStatus.ACCEPTED, evidence=said))]
        assert await settle.record(connection, notification_id, known)
    await engine.dispose()

    email = await scene.delivery("email")
    assert (email.status, email.provider_id) == ("accepted", "7")
    assert email.provider_reply.startswith("250 accept\ufffd xxx")
    assert len(email.provider_reply) == 1000
