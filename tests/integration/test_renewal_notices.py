"""What a renewal does to the notices of the old end, whatever their attempts are at."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from channels.registry import names
from contracts.sending import DeliveryStatus, Reason, SendResult
from db.items.renew import renew_project
from db.record import attempt, settle
from db.record.attempt import SentText
from db.record.claim import Claim, claim_delivery
from tests.support.data import Platform, in_days
from tests.support.locks import somebody_waits
from tests.support.renewals import Renewals

FAILED = SendResult(DeliveryStatus.FAILED, Reason.GAVE_UP)
SENT = SentText(subject="Soon", body="It ends.")


async def claim(platform: Platform, notification: int, channel: str = "email") -> Claim:
    async with platform.engine.begin() as connection:
        claimed = await claim_delivery(
            connection,
            notification,
            channel,
            delivery_id=None,
            run_id="run",
            attempt=1,
            configured=True,
            resend_in_doubt=True,
        )
    assert claimed is not None
    return claimed


async def mark_sending(platform: Platform, claimed: Claim) -> bool:
    async with platform.engine.begin() as connection:
        return await attempt.mark_sending(connection, claimed, SENT)


async def ends(platform: Platform) -> list[tuple[str, str | None, bool]]:
    return [(each.status, each.reason, each.finished_at is not None) for each in await platform.deliveries()]


@pytest.fixture
async def warning(platform: Platform) -> int:
    """An open warning of a project's end."""
    return await platform.notification(await platform.project(await platform.company(), slug="ship"))


async def test_a_notice_that_was_never_started_is_settled_at_once(
    platform: Platform, renew: Renewals, warning: int
) -> None:
    await renew("ship", in_days(365))
    [notification] = await platform.notifications()
    assert (notification.id, notification.status, notification.finished_at is not None) == (
        warning,
        "undelivered",
        True,
    )
    assert await ends(platform) == [("skipped", "renewed", True)] * 2


@pytest.mark.usefixtures("warning")
async def test_a_notice_that_has_a_workflow_is_left_to_it(platform: Platform, renew: Renewals) -> None:
    await platform.execute("UPDATE notifications SET started_at = now()")
    await renew("ship", in_days(365))
    assert [each.status for each in await platform.notifications()] == ["open"]
    assert await ends(platform) == [("skipped", "renewed", True)] * 2


async def test_an_attempt_that_has_claimed_it_can_send_no_more(
    platform: Platform, renew: Renewals, warning: int
) -> None:
    claimed = await claim(platform, warning)
    await renew("ship", in_days(365))
    assert await mark_sending(platform, claimed) is False
    again = await claim(platform, warning)
    assert (again.obstacle, again.status, again.reason) == ("settled", "skipped", "renewed")


async def test_what_is_in_flight_is_left_to_its_attempt(platform: Platform, renew: Renewals, warning: int) -> None:
    claimed = await claim(platform, warning)
    assert await mark_sending(platform, claimed)
    renewed = await renew("ship", in_days(365))
    assert renewed.skipped_deliveries == 1
    assert [each.status for each in await platform.notifications()] == ["open"]
    assert await ends(platform) == [("sending", None, False), ("skipped", "renewed", True)]
    async with platform.engine.begin() as connection:
        await attempt.accept(connection, claimed, None, "250 Ok")
    assert (await ends(platform))[0] == ("accepted", None, True)


async def test_what_an_earlier_attempt_may_have_sent_ends_in_doubt(
    platform: Platform, renew: Renewals, warning: int
) -> None:
    assert await mark_sending(platform, await claim(platform, warning))
    again = await claim(platform, warning)
    async with platform.engine.begin() as connection:
        await attempt.release(connection, again, "smtp_rcpt_450", "450 later")
    await renew("ship", in_days(365))
    assert await ends(platform) == [("unknown", "renewed", True), ("skipped", "renewed", True)]
    assert [each.status for each in await platform.notifications()] == ["in_doubt"]


async def test_what_was_accepted_stays_told(platform: Platform, renew: Renewals, warning: int) -> None:
    claimed = await claim(platform, warning)
    assert await mark_sending(platform, claimed)
    async with platform.engine.begin() as connection:
        await attempt.accept(connection, claimed, None, "250 Ok")
    await renew("ship", in_days(365))
    assert await ends(platform) == [("accepted", None, True), ("skipped", "renewed", True)]
    assert [each.status for each in await platform.notifications()] == ["delivered"]


@pytest.mark.usefixtures("warning")
async def test_what_an_operator_has_reopened_is_skipped_too(platform: Platform, renew: Renewals) -> None:
    await platform.reopen_email(started=False)
    await renew("ship", in_days(365))
    assert [each.reopened_at for each in await platform.deliveries()] == [None, None]
    assert await ends(platform) == [("skipped", "renewed", True)] * 2


async def test_notices_of_content_tests_and_other_projects_are_left(platform: Platform, renew: Renewals) -> None:
    company = await platform.company()
    ship = await platform.project(company, slug="ship")
    content = await platform.content(company, ship, expires_at=in_days(2))
    until = in_days(365)
    await platform.notification(ship, ar_content_id=content, item_ends_at=in_days(2))
    await platform.notification(ship, notification_type="test")
    await platform.notification(ship, item_ends_at=until)
    await platform.notification(await platform.project(company))
    assert (await renew("ship", until)).skipped_deliveries == 0
    assert {each.status for each in await platform.notifications()} == {"open"}


async def test_a_claim_that_waits_for_the_renewal_finds_it_skipped(
    platform: Platform, engine: AsyncEngine, warning: int
) -> None:
    async with engine.begin() as renewing:
        await renew_project(renewing, "ship", in_days(365), datetime.now(UTC), "anna", "they paid")
        claiming = asyncio.create_task(claim(platform, warning))
        await somebody_waits(platform)
    assert (await claiming).obstacle == "settled"


async def test_renewals_and_records_at_the_same_time_do_not_lock_each_other_out(
    platform: Platform, renew: Renewals, engine: AsyncEngine
) -> None:
    """A record locks its deliveries and then the project: so does a renewal."""
    company = await platform.company()
    projects = [await platform.project(company, slug=f"ship-{number}") for number in range(5)]
    notices = [await platform.notification(project) for project in projects for _ in range(8)]

    async def deliver(notice: int) -> None:
        for channel in names():
            claimed = await claim(platform, notice, channel)
            if claimed.obstacle is None and await mark_sending(platform, claimed):
                async with platform.engine.begin() as connection:
                    await attempt.accept(connection, claimed, None, "250 Ok")
        async with engine.begin() as connection:
            await settle.record(connection, notice, [], others=FAILED)

    until = in_days(365)
    await asyncio.gather(
        *(deliver(notice) for notice in notices),
        *(renew(f"ship-{number}", until) for number in range(5)),
    )
    assert {each.status for each in await platform.notifications()} <= {"delivered", "undelivered"}
    assert {each["expires_at"] for each in await platform.rows("SELECT expires_at FROM projects")} == {until}
