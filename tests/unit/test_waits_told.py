"""How often an attempt tells its workflow that it waits: a history must not grow with the attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment

from activities.told import failing_since, refused_claim, tell_next_attempt, told_wait
from activities.waiting import MOST_TOLD, tell_if_long
from channels.email.plan import EMAIL
from contracts.sending import DeliveryWaits, Reason, SendInput
from workflows.waits import waiting_details, waiting_for

GREYLISTED = "smtp_rcpt_450"
MONTH = timedelta(days=30)
POLICY = EMAIL.retry_policy(30)


class Attempts:
    """Attempts of one activity, one after the other, each with the details of the last heartbeat before it."""

    def __init__(self, policy: RetryPolicy = POLICY, *, slow: bool = False) -> None:
        self._slow = slow
        self.told: list[DeliveryWaits] = []
        self.details: Sequence[Any] = ()
        self._policy = policy
        self._attempt = 0

    async def fail(self, reason: str = GREYLISTED, delay: timedelta | None = None, *, final: bool = False) -> None:
        self._attempt += 1
        error = ApplicationError("no", type=reason, next_retry_delay=delay, non_retryable=final)
        await self._run(tell_if_long, self._tell, "email", SendInput(7, datetime.now(UTC) + MONTH, 70), error)

    async def _run(self, work: Any, *arguments: Any) -> None:
        environment = ActivityEnvironment()
        environment.info = replace(
            environment.info, attempt=self._attempt, heartbeat_details=self.details, retry_policy=self._policy
        )
        environment.on_heartbeat = self._heartbeat
        if self._slow:
            self._heartbeat()  # what shows during a long attempt that its worker lives
        await environment.run(work, *arguments)

    def _heartbeat(self, *details: Any) -> None:
        self.details = details

    async def _tell(self, workflow_id: str, run_id: str, waits: DeliveryWaits) -> None:
        self.told.append(waits)


async def test_a_wait_of_less_than_a_minute_is_not_told() -> None:
    attempts = Attempts()
    await attempts.fail()  # 30 s
    assert attempts.told == []
    await attempts.fail()  # 60 s
    [told] = attempts.told
    assert (told.delivery_id, told.channel, told.reason, told.attempts) == (70, "email", GREYLISTED, 2)
    assert timedelta(seconds=50) < told.until - datetime.now(UTC) <= timedelta(seconds=60)


@pytest.mark.parametrize("slow", [False, True])
async def test_a_month_of_greylisting_tells_a_few_times(slow: bool) -> None:
    attempts = Attempts(slow=slow)
    for _ in range(1440):  # every 30 minutes
        await attempts.fail()
    assert len(attempts.told) <= 20


@pytest.mark.parametrize("slow", [False, True])
async def test_reasons_that_alternate_for_a_month_tell_no_more_than_allowed(slow: bool) -> None:
    attempts = Attempts(slow=slow)
    for number in range(1440):
        await attempts.fail(GREYLISTED if number % 2 else "smtp_connect_failed")
    assert len(attempts.told) <= MOST_TOLD + 11


async def test_another_reason_and_a_much_longer_wait_are_told() -> None:
    attempts = Attempts()
    for reason, minutes in (("telegram_429", 2), ("telegram_429", 2), ("telegram_429", 3), ("telegram_429", 600)):
        await attempts.fail(reason, timedelta(minutes=minutes))
    assert [told.attempts for told in attempts.told] == [1, 2, 4]
    for reason in ("telegram_429", "telegram_502", Reason.QUIET_HOURS, "telegram_502"):
        await attempts.fail(reason, timedelta(minutes=600))
    assert [told.attempts for told in attempts.told] == [1, 2, 4, 6, 7, 8]


async def test_a_pause_is_told_however_often_it_is_looked_at() -> None:
    attempts = Attempts()
    await attempts.fail(Reason.PAUSED, timedelta(seconds=1))
    assert [told.reason for told in attempts.told] == [Reason.PAUSED]


async def test_an_end_is_not_told() -> None:
    attempts = Attempts()
    await attempts.fail("smtp_rcpt_550", timedelta(hours=1), final=True)
    await attempts.fail(GREYLISTED, MONTH)  # beyond the deadline: no attempt follows
    assert attempts.told == []


async def test_what_cannot_be_told_changes_nothing() -> None:
    class Away(Attempts):
        async def _tell(self, workflow_id: str, run_id: str, waits: DeliveryWaits) -> None:
            raise RPCError("away", RPCStatusCode.UNAVAILABLE, b"")

    attempts = Away()
    await attempts.fail(GREYLISTED, timedelta(hours=1))
    assert attempts.details == ()


async def test_the_next_attempt_knows_what_both_were_told() -> None:
    """A claim that handed nothing over must not be forgotten because the wait is told."""

    class Refused(Attempts):
        async def _tell(self, workflow_id: str, run_id: str, waits: DeliveryWaits) -> None:
            tell_next_attempt(5, datetime(2026, 11, 25, tzinfo=UTC))

    attempts = Refused()
    await attempts.fail(GREYLISTED, timedelta(hours=1))
    info = replace(ActivityEnvironment.default_info(), heartbeat_details=attempts.details)
    known = told_wait(info)
    assert known is not None
    assert (known.reason, known.seconds, known.times) == (GREYLISTED, 3600, 1)
    assert refused_claim(info) == 5
    assert failing_since(info) == datetime(2026, 11, 25, tzinfo=UTC)
    assert isinstance(info, activity.Info)


async def test_what_an_attempt_was_told_itself_holds_for_the_next_one() -> None:
    """A held attempt claims nothing: the claim before it handed nothing over, still."""
    attempts = Attempts()
    attempts.details = [5]
    await attempts.fail(Reason.PAUSED)
    info = replace(ActivityEnvironment.default_info(), heartbeat_details=attempts.details)
    assert (refused_claim(info), told_wait(info) is not None) == (5, True)


@pytest.mark.parametrize("reason", ["gateway_busy", "<script>"])
def test_a_channel_that_this_worker_does_not_know_is_named(reason: str) -> None:
    waits = DeliveryWaits(1, "pigeon", reason, datetime(2026, 11, 25, 10, 42, 59, tzinfo=UTC), 3)
    assert f"- pigeon waits. {reason} (`{reason}`, attempt 3)." in waiting_details(7, [waits])
    assert "at about 2026-11-25 10:42 UTC" in waiting_details(7, [waits])
    assert waiting_for([waits]) == ["pigeon", f"pigeon:{reason}"]


def test_nothing_waits() -> None:
    assert waiting_details(7, []) == ""
    assert waiting_for([]) == []
