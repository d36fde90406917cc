"""The daily summary: tells the operators what happened yesterday."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.daily_summary import SummaryActivities
    from contracts.sending import HEARTBEAT_TIMEOUT
    from contracts.summarising import DailySummaryInput, DailySummaryResult, OpenSummaryInput
    from workflows import retry_policies
    from workflows.nominal_time import nominal_time

SUMMARY_TIMEOUT = timedelta(minutes=10)
"""It counts a day of the record."""
POINTLESS_AFTER = timedelta(hours=20)
"""After this time the next summary comes soon. While this one waits, the Schedule starts no other."""


@workflow.defn
class DailySummaryWorkflow:
    """Opens one notification to the operators with the numbers of a day. A second run for the same day tells nobody."""

    @workflow.run
    async def run(self, input: DailySummaryInput) -> DailySummaryResult:
        return await workflow.execute_activity_method(
            SummaryActivities.open_daily_summary,
            OpenSummaryInput(input.at or nominal_time()),
            start_to_close_timeout=SUMMARY_TIMEOUT,
            schedule_to_close_timeout=POINTLESS_AFTER,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=retry_policies.DATABASE,
            summary="Summarise the day before",
        )
