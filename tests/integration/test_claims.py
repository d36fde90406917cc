"""Claim and fence: which attempt may send, what a doubt leads to, and whose word counts in the end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from db.record import attempt
from db.record.attempt import SentText
from db.record.claim import Claim, claim_delivery
from tests.support.data import Platform

TEXT = SentText(subject="Soon", body="It ends.", provider_id="<key@platform.example>")


@dataclass(frozen=True)
class Attempts:
    """Attempts at one notification's deliveries, each step in a transaction of its own, as in an activity."""

    engine: AsyncEngine
    platform: Platform
    notification_id: int

    async def claim_if_any(self, channel: str = "email", refused_claim: int | None = None) -> Claim | None:
        async with self.engine.begin() as connection:
            return await claim_delivery(
                connection,
                self.notification_id,
                channel,
                delivery_id=None,
                run_id="run",
                attempt=1,
                configured=True,
                resend_in_doubt=channel == "email",
                refused_claim=refused_claim,
            )

    async def claim(self, channel: str = "email") -> Claim:
        claim = await self.claim_if_any(channel)
        assert claim is not None
        return claim

    async def mark_sending(self, claim: Claim) -> bool:
        async with self.engine.begin() as connection:
            return await attempt.mark_sending(connection, claim, TEXT)

    async def in_flight(self, channel: str = "email") -> Claim:
        """An attempt that has begun its irrevocable step and was not heard of again."""
        claim = await self.claim(channel)
        assert await self.mark_sending(claim)
        return claim

    async def release(self, claim: Claim) -> None:
        async with self.engine.begin() as connection:
            await attempt.release(connection, claim, "smtp_rcpt_450", "450 later")

    async def reject(self, claim: Claim) -> None:
        async with self.engine.begin() as connection:
            await attempt.reject(connection, claim, "smtp_rcpt_550", "550 no")

    async def accept(self, claim: Claim) -> None:
        async with self.engine.begin() as connection:
            await attempt.accept(connection, claim, None, "250 Ok")

    async def row(self, channel: str = "email") -> Any:
        [row] = await self.platform.deliveries(channel)
        return row


@pytest.fixture
async def attempts(engine: AsyncEngine, platform: Platform) -> Attempts:
    project = await platform.project(await platform.company())
    return Attempts(engine, platform, await platform.notification(project))


async def test_of_two_claims_only_the_newer_one_may_send(attempts: Attempts) -> None:
    first = await attempts.claim()
    second = await attempts.claim()
    assert not await attempts.mark_sending(first)
    assert await attempts.mark_sending(second)
    assert ((await attempts.row()).status, (await attempts.row()).attempts) == ("sending", 2)


async def test_of_many_claims_at_the_same_time_exactly_one_may_send(attempts: Attempts) -> None:
    claims = await asyncio.gather(*(attempts.claim() for _ in range(8)))
    assert sorted(claim.claim_seq for claim in claims) == list(range(1, 9))
    assert sorted(await asyncio.gather(*(attempts.mark_sending(claim) for claim in claims))) == [False] * 7 + [True]


async def test_a_claim_marks_its_delivery_in_flight_only_once(attempts: Attempts) -> None:
    assert not await attempts.mark_sending(await attempts.in_flight())


async def test_what_a_superseded_attempt_was_refused_changes_nothing(attempts: Attempts) -> None:
    first = await attempts.claim()
    await attempts.in_flight()
    await attempts.release(first)
    await attempts.reject(first)
    row = await attempts.row()
    assert (row.status, row.reason, row.provider_reply) == ("sending", None, None)


async def test_after_a_known_refusal_nothing_is_in_doubt(attempts: Attempts) -> None:
    await attempts.release(await attempts.in_flight())
    again = await attempts.claim("email")
    assert (again.obstacle, again.in_doubt) == (None, False)
    assert (await attempts.row()).possible_duplicate is False


async def test_an_email_in_doubt_is_sent_again_under_the_same_key_and_marked(attempts: Attempts) -> None:
    first = await attempts.in_flight()
    second = await attempts.claim()
    assert (second.obstacle, second.in_doubt, second.dedupe_key) == (None, True, first.dedupe_key)
    assert await attempts.mark_sending(second)
    await attempts.accept(second)
    row = await attempts.row()
    assert (row.status, row.possible_duplicate, row.provider_id) == ("accepted", True, TEXT.provider_id)


async def test_an_attempt_that_surely_sent_nothing_leaves_no_doubt_though_the_row_says_in_flight(
    attempts: Attempts,
) -> None:
    """The database was away when it wanted to say so; its word came by another way."""
    first = await attempts.in_flight("telegram")
    again = await attempts.claim_if_any("telegram", refused_claim=first.claim_seq)
    assert again is not None
    assert (again.obstacle, again.in_doubt) == (None, False)
    assert await attempts.mark_sending(again)


async def test_the_word_of_an_older_attempt_does_not_clear_a_newer_ones_doubt(attempts: Attempts) -> None:
    first = await attempts.claim("telegram")
    await attempts.in_flight("telegram")
    again = await attempts.claim_if_any("telegram", refused_claim=first.claim_seq)
    assert again is not None
    assert again.obstacle == "in_doubt"


async def test_a_doubt_outlasts_a_later_refusal_for_now(attempts: Attempts) -> None:
    await attempts.in_flight()
    await attempts.release(await attempts.claim())
    assert (await attempts.claim()).in_doubt


async def test_a_telegram_message_in_doubt_ends_unknown_and_is_not_sent_again(attempts: Attempts) -> None:
    await attempts.in_flight("telegram")
    again = await attempts.claim("telegram")
    assert (again.obstacle, again.status, again.reason) == ("in_doubt", "unknown", "in_doubt")
    assert not await attempts.mark_sending(again)
    row = await attempts.row("telegram")
    assert (row.status, row.attempts, row.finished_at is not None) == ("unknown", 1, True)


async def test_a_refusal_for_good_cannot_take_back_what_an_earlier_attempt_may_have_sent(attempts: Attempts) -> None:
    await attempts.in_flight()
    await attempts.reject(await attempts.in_flight())
    row = await attempts.row()
    assert (row.status, row.reason, row.possible_duplicate) == ("unknown", "smtp_rcpt_550", True)


async def test_in_doubt_and_renewed_it_ends_unknown_not_skipped(attempts: Attempts) -> None:
    await attempts.in_flight()
    await attempts.platform.execute("UPDATE projects SET expires_at = expires_at + interval '1 year'")
    again = await attempts.claim()
    assert (again.obstacle, again.status, again.reason) == ("renewed", "unknown", "renewed")


async def test_a_late_acceptance_overrides_unknown_and_delivers_the_notification(attempts: Attempts) -> None:
    frozen = await attempts.in_flight("telegram")
    await attempts.claim("telegram")
    await attempts.platform.execute("UPDATE notifications SET status = 'in_doubt'")
    await attempts.accept(frozen)
    row = await attempts.row("telegram")
    assert (row.status, row.reason, row.possible_duplicate) == ("accepted", None, True)
    [notification] = await attempts.platform.notifications()
    assert notification.status == "delivered"


async def test_a_second_acceptance_is_a_duplicate(attempts: Attempts) -> None:
    frozen = await attempts.in_flight()
    newer = await attempts.in_flight()
    await attempts.accept(newer)
    accepted_at = (await attempts.row()).finished_at
    await attempts.accept(frozen)
    row = await attempts.row()
    assert (row.status, row.possible_duplicate, row.finished_at) == ("accepted", True, accepted_at)


async def test_an_accepted_delivery_is_not_sent_again_whoever_claims_it(attempts: Attempts) -> None:
    await attempts.accept(await attempts.in_flight())
    before = await attempts.row()
    again = await attempts.claim()
    assert (again.obstacle, again.status) == ("settled", "accepted")
    assert not await attempts.mark_sending(again)
    assert await attempts.row() == before


async def test_of_a_withdrawn_notification_there_is_nothing_to_claim(attempts: Attempts) -> None:
    await attempts.platform.execute("DELETE FROM notifications")
    assert await attempts.claim_if_any() is None
