"""The time for which a Schedule started a workflow."""

from __future__ import annotations

from datetime import UTC, datetime

from temporalio import workflow
from temporalio.common import SearchAttributeKey

SCHEDULED_START = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")


def nominal_time() -> datetime:
    """Returns the time for which this workflow was scheduled; for one that was started by hand, its start."""
    scheduled = workflow.info().typed_search_attributes.get(SCHEDULED_START)
    return (scheduled or workflow.info().start_time).astimezone(UTC)
