"""What a quiet time holds back is started when its hour comes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import FailureError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from contracts.scanning import StartHeldInput, StartHeldResult
    from contracts.sending import SendOptions
    from workflows.fan_out import FanOut

START_HELD = "start-held"
"""The workflow's id: there is one at a time, whoever starts it."""

LONGEST_SLEEP = timedelta(hours=1)
"""A company may change its quiet hours meanwhile."""
SHORTEST_SLEEP = timedelta(seconds=5)
"""Where the database's clock is behind Temporal's, what was to be started now is held for a moment more."""


@workflow.defn
class StartHeldWorkflow:
    """Sleeps until the first quiet time is over, starts what may be started, and goes on while something is held.

    A run sleeps once and starts once, so that its history stays small. Nothing depends on it alone: what it misses is
    started by the next scan.
    """

    def __init__(self) -> None:
        self._told: StartHeldInput | None = None

    @workflow.signal
    def wake(self, input: StartHeldInput) -> None:
        """Something is held until `wake_at`, or may be started now: it looks no later than then, with the newest
        options."""
        if self._told is not None:
            input = replace(input, wake_at=min(input.wake_at, self._told.wake_at))
        self._told = input

    @workflow.run
    async def run(self, input: StartHeldInput) -> StartHeldResult:
        input = await self._sleep(input)
        fan_out = FanOut(input.options, input.batch_size, input.just_started, input.started)
        all_started = await fan_out.run()
        input = replace(input, just_started=[], started=fan_out.started)
        if not all_started:
            workflow.continue_as_new(replace(input, wake_at=workflow.now(), just_started=fan_out.just_started))
        if fan_out.next_start_at is not None:
            soon = workflow.now() + SHORTEST_SLEEP
            workflow.continue_as_new(self._as_told(replace(input, wake_at=max(fan_out.next_start_at, soon))))
        if self._told is not None:
            workflow.continue_as_new(self._as_told(replace(input, wake_at=self._told.wake_at)))
        return StartHeldResult(input.started)

    async def _sleep(self, input: StartHeldInput) -> StartHeldInput:
        """Until its time, one that it is told meanwhile, or the longest sleep."""
        latest = workflow.now() + LONGEST_SLEEP
        while (seconds := (min(self._as_told(input).wake_at, latest) - workflow.now()).total_seconds()) > 0:
            known = self._told
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: self._told is not known,  # noqa: B023 - it is awaited here
                    timeout=seconds,
                    timeout_summary="Wait for the end of a quiet time",
                )
        input, self._told = self._as_told(input), None
        return input

    def _as_told(self, input: StartHeldInput) -> StartHeldInput:
        """Only an earlier time counts; the options are taken over."""
        if self._told is None:
            return input
        return replace(input, options=self._told.options, wake_at=min(input.wake_at, self._told.wake_at))


async def start_when_its_hour_comes(options: SendOptions, at: datetime | None) -> None:
    """Sees to it, from a workflow that has fanned out, that what is held is started `at` that time. None: nothing is.

    One that has just ended when it is told leaves it to the next run of whoever fans out.
    """
    if at is None:
        return
    input = StartHeldInput(options, at)
    try:
        await workflow.start_child_workflow(
            StartHeldWorkflow.run,
            input,
            id=START_HELD,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            static_summary="Start what quiet hours hold back, when they are over",
        )
    except WorkflowAlreadyStartedError:
        running = workflow.get_external_workflow_handle_for(StartHeldWorkflow.run, START_HELD)
        with suppress(FailureError):
            await running.signal(StartHeldWorkflow.wake, input)
