"""Renewals while the notices of the old end are on their way."""

from __future__ import annotations

import asyncio

import pytest

from local.stand_ins.smtp_actions import Reply
from tests.support.data import in_days
from tests.support.deactivations import Deactivations
from tests.support.renewals import Renewals
from tests.support.scene import PATIENCE, Scene


@pytest.fixture
async def ship(scene: Scene) -> Scene:
    """A project that has ended, of a company that has e-mail only."""
    await scene.platform.project(
        await scene.platform.company(telegram_chat_id=None), slug="ship", expires_at=in_days(-1)
    )
    return scene


async def test_a_notice_that_waits_for_its_next_attempt_is_not_sent_any_more(ship: Scene, renew: Renewals) -> None:
    ship.sink.always("rcpt", Reply(450, "4.2.0 greylisted"))
    async with ship.worker():
        await ship.deactivate()
        await ship.put_off("email", "smtp_rcpt_450")
        renewed = await renew("ship", in_days(365))
        await ship.children_end()
    assert renewed.reactivated.project
    assert await ship.ends() == ("undelivered", "skipped", "skipped")
    assert (await ship.delivery("email")).reason == "renewed"
    assert ship.sink.messages == []


async def test_a_notice_in_flight_arrives_and_is_recorded(ship: Scene, renew: Renewals) -> None:
    held = ship.sink.hold("reply")
    async with ship.worker():
        await ship.deactivate()
        await asyncio.wait_for(held.reached.wait(), PATIENCE)
        await ship.delivery_becomes("telegram", "skipped")  # its own attempt has found that there is no address
        assert (await renew("ship", in_days(365))).skipped_deliveries == 0
        held.release()
        await ship.children_end()
    assert await ship.ends() == ("delivered", "accepted", "skipped")
    assert len(ship.sink.messages) == 1


async def test_ended_renewed_and_ended_again_the_company_hears_of_it_twice(
    ship: Scene, renew: Renewals, deactivations: Deactivations
) -> None:
    async with ship.worker():
        await ship.deactivate()
        await ship.children_end()
        assert (await renew("ship", in_days(365))).skipped_deliveries == 0
        await ship.deactivate()
        assert await deactivations.projects() == {"ship": "active"}
        # A year later, as it were: its new end has passed too.
        await ship.platform.execute("UPDATE projects SET expires_at = now() - interval '1 hour'")
        await ship.deactivate()
        await ship.children_end()
    assert await deactivations.projects() == {"ship": "expired*"}
    assert len({mail.message_id for mail in ship.sink.messages}) == len(ship.sink.messages) == 2
    assert {each.status for each in await ship.platform.notifications()} == {"delivered"}
