"""What changes between the scan and the send counts: the attempt looks at the item again."""

from __future__ import annotations

import asyncio

import pytest

from contracts.queues import WORKFLOWS
from local.stand_ins.smtp_actions import Reply
from tests.support.scene import PATIENCE, Scene

CHANGES = {
    "renewed": "UPDATE projects SET expires_at = expires_at + interval '1 year'",
    "item_not_active": "UPDATE projects SET status = 'archived'",
    "auto_renew": "UPDATE projects SET auto_renew = true",
    "channel_off": "UPDATE contacts SET enabled = false",
    "no_address": "UPDATE contacts SET address = NULL, address_key = NULL",
}


@pytest.mark.parametrize("reason", CHANGES)
async def test_nothing_is_sent_and_the_deliveries_say_why(scene: Scene, reason: str) -> None:
    await scene.due_project()
    async with scene.worker(WORKFLOWS):  # nobody serves the channels yet
        await scene.scan()
        await scene.platform.execute(CHANGES[reason])
        async with scene.worker("email", "telegram"):
            await scene.children_end()

    assert (scene.sink.messages, scene.telegram.messages) == ([], [])
    assert (scene.sink.connections_opened, scene.telegram.connections_opened) == (0, 0)
    assert await scene.ends() == ("undelivered", "skipped", "skipped")
    deliveries = await scene.platform.deliveries()
    assert {(each.reason, each.attempts) for each in deliveries} == {(reason, 0)}


async def test_a_channel_switched_off_keeps_quiet_and_the_other_one_tells(scene: Scene) -> None:
    await scene.due_project()
    async with scene.worker(WORKFLOWS):
        await scene.scan()
        await scene.platform.execute("UPDATE contacts SET enabled = false WHERE channel = 'telegram'")
        async with scene.worker("email", "telegram"):
            await scene.children_end()

    assert (len(scene.sink.messages), scene.telegram.messages) == (1, [])
    assert await scene.ends() == ("delivered", "accepted", "skipped")
    assert (await scene.delivery("telegram")).reason == "channel_off"


async def test_an_address_corrected_after_the_scan_is_the_one_that_is_used(scene: Scene) -> None:
    await scene.due_project()
    async with scene.worker(WORKFLOWS):
        await scene.scan()
        await scene.platform.readdress("email", "new@customer.example")
        async with scene.worker("email", "telegram"):
            await scene.children_end()

    assert [mail.recipients for mail in scene.sink.messages] == [("new@customer.example",)]
    assert (await scene.delivery("email")).recipient == "new@customer.example"


async def test_a_renewal_between_two_attempts_stops_the_second(scene: Scene) -> None:
    """Telegram has taken it before: what was sent stays told."""
    scene.sink.always("rcpt", Reply(450, "4.2.0 greylisted"))
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await scene.telegram.wait_for(1, PATIENCE)
        held = scene.sink.hold("rcpt")
        await asyncio.wait_for(held.reached.wait(), PATIENCE)
        await scene.platform.execute("UPDATE projects SET expires_at = expires_at + interval '1 year'")
        held.release()
        await scene.children_end()

    assert (scene.sink.messages, len(scene.telegram.messages)) == ([], 1)
    assert await scene.ends() == ("delivered", "skipped", "accepted")
    email = await scene.delivery("email")
    assert (email.reason, email.possible_duplicate) == ("renewed", False)
