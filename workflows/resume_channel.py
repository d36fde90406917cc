"""Resumes a channel that is stopped, however long that takes and even if workers die meanwhile."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.stops import StopActivities
    from contracts.stopping import ResumeChannelInput
    from workflows import retry_policies

RESUME_TIMEOUT = timedelta(seconds=30)
SHORTEST_SLEEP = timedelta(seconds=1)
"""If the database's clock is behind Temporal's, a channel stays stopped for a moment longer."""


@workflow.defn
class ResumeChannelWorkflow:
    """Sleeps until a channel's stop is over, then resumes it. One runs for each stopped channel."""

    def __init__(self) -> None:
        self._stopped_again = False

    @workflow.signal
    def stopped(self) -> None:
        """Says that the channel was stopped again, maybe for longer: the workflow then asks the database once more."""
        self._stopped_again = True

    @workflow.run
    async def run(self, input: ResumeChannelInput) -> None:
        until = input.until
        while True:
            self._stopped_again = False
            if (wait := until - workflow.now()) > timedelta(0):
                await self._wait(wait, f"Wait until {input.channel} may send again")
            resumed = await workflow.execute_activity_method(
                StopActivities.resume_channel,
                input,
                start_to_close_timeout=RESUME_TIMEOUT,
                retry_policy=retry_policies.DATABASE,
                summary=f"Resume {input.channel}",
            )
            if resumed.until is not None:
                until = max(resumed.until, workflow.now() + SHORTEST_SLEEP)
            elif not self._stopped_again:
                return

    async def _wait(self, wait: timedelta, summary: str) -> None:
        """Waits, or until the channel is stopped again: an operator may have ended a longer stop before that one."""
        if not workflow.patched("a-stop-wakes"):
            await workflow.sleep(wait, summary=summary)
            return
        with suppress(TimeoutError):
            await workflow.wait_condition(lambda: self._stopped_again, timeout=wait, timeout_summary=summary)
