"""Resumes a channel that is stopped, however long that takes and even if workers die meanwhile."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.stops import StopActivities
    from contracts.stopping import ResumeChannelInput
    from workflows import retry_policies
    from workflows.summaries import waiting_for_channel

RESUME_TIMEOUT = timedelta(seconds=30)
SHORTEST_SLEEP = timedelta(seconds=1)
"""If the database's clock is behind Temporal's, a channel stays stopped for a moment longer."""


@workflow.defn
class ResumeChannelWorkflow:
    """Sleeps until a channel's stop is over, then resumes it. One runs for each stopped channel."""

    def __init__(self) -> None:
        self._stops = 0

    @workflow.signal
    def stopped(self) -> None:
        """Says that the channel was stopped. The first signal comes with the start. At each later one the workflow
        asks the database again, since the new stop may end later, or earlier if an operator has ended the one before.
        """
        self._stops += 1

    @workflow.run
    async def run(self, input: ResumeChannelInput) -> None:
        until = input.until
        known = min(self._stops, 1)
        while True:
            if self._stops > known and not workflow.patched("an-early-stop-wakes"):
                known = self._stops
            workflow.set_current_details(waiting_for_channel(input.channel, until))
            if (wait := until - workflow.now()) > timedelta(0):
                await self._wait(wait, known, f"Wait until {input.channel} may send again")
            known = self._stops
            resumed = await workflow.execute_activity_method(
                StopActivities.resume_channel,
                input,
                start_to_close_timeout=RESUME_TIMEOUT,
                retry_policy=retry_policies.DATABASE,
                summary=f"Resume {input.channel}",
            )
            if resumed.until is not None:
                until = max(resumed.until, workflow.now() + SHORTEST_SLEEP)
            elif self._stops == known:
                return

    async def _wait(self, wait: timedelta, known: int, summary: str) -> None:
        """Waits, or until there was another stop than those known."""
        if not workflow.patched("a-stop-wakes"):
            await workflow.sleep(wait, summary=summary)
            return
        with suppress(TimeoutError):
            await workflow.wait_condition(lambda: self._stops > known, timeout=wait, timeout_summary=summary)
