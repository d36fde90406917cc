"""Starts notifications that quiet hours held, once these are over."""

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
    from workflows.summaries import waiting_for_quiet_hours

START_HELD = "start-held"
"""The workflow's id. Only one runs at a time."""

LONGEST_SLEEP = timedelta(hours=1)
"""Limited, because a company may change its quiet hours meanwhile."""
SHORTEST_SLEEP = timedelta(seconds=5)
"""If the database's clock is behind Temporal's, a notification stays held for a moment longer."""


@workflow.defn
class StartHeldWorkflow:
    """Sleeps until the first quiet hours are over, starts what may be sent, and repeats while anything is held.

    A run sleeps once and starts once, so that its history stays small. Nothing depends on it alone: the next scan
    starts what it misses.
    """

    def __init__(self) -> None:
        self._signalled: StartHeldInput | None = None

    @workflow.signal
    def wake(self, input: StartHeldInput) -> None:
        """Wakes the workflow at `wake_at` at the latest, with the newest options."""
        if self._signalled is not None:
            input = replace(input, wake_at=min(input.wake_at, self._signalled.wake_at))
        self._signalled = input

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
            workflow.continue_as_new(self._with_signal(replace(input, wake_at=max(fan_out.next_start_at, soon))))
        if self._signalled is not None:
            workflow.continue_as_new(self._with_signal(replace(input, wake_at=self._signalled.wake_at)))
        return StartHeldResult(input.started)

    async def _sleep(self, input: StartHeldInput) -> StartHeldInput:
        """Sleeps until `wake_at`, an earlier time from a signal, or for LONGEST_SLEEP. Returns the newest input."""
        latest = workflow.now() + LONGEST_SLEEP
        while (seconds := (min(self._with_signal(input).wake_at, latest) - workflow.now()).total_seconds()) > 0:
            known = self._signalled
            workflow.set_current_details(waiting_for_quiet_hours(min(self._with_signal(input).wake_at, latest)))
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: self._signalled is not known,  # noqa: B023 - it is awaited here
                    timeout=seconds,
                    timeout_summary="Wait for the end of quiet hours",
                )
        workflow.set_current_details("")
        input, self._signalled = self._with_signal(input), None
        return input

    def _with_signal(self, input: StartHeldInput) -> StartHeldInput:
        """Returns the input with the signal's options, and its time if that is earlier."""
        if self._signalled is None:
            return input
        return replace(input, options=self._signalled.options, wake_at=min(input.wake_at, self._signalled.wake_at))


async def start_held_at(options: SendOptions, at: datetime | None) -> None:
    """Has `StartHeldWorkflow` start the held notifications at this time. None: nothing is held.

    If that workflow ends at this moment, the next scan or deactivation starts them.
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
            static_summary="Start held notifications when quiet hours are over",
        )
    except WorkflowAlreadyStartedError:
        running = workflow.get_external_workflow_handle_for(StartHeldWorkflow.run, START_HELD)
        with suppress(FailureError):
            await running.signal(StartHeldWorkflow.wake, input)
