"""Asks Temporal for the times of a Schedule's runs. Where no Schedule exists, predicts them from the setting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from runtime.cron import predict
from settings import Settings

RPC_TIMEOUT = timedelta(seconds=10)

log = structlog.get_logger(__name__)

_SPANS = tuple(map(timedelta, (1, 9, 90, 1000, 4000)))
"""How far to look, step by step: most Schedules run daily, and one for February 29 within eight years."""
_LONGEST_ANSWER = 1000
"""Most times in an answer of Temporal, from the beginning of the span that was asked for."""

NextScan = Callable[[datetime], Awaitable[datetime]]
"""Returns when the first scan after that time is scheduled."""


async def next_run(client: Client, schedule_id: str, after: datetime) -> datetime | None:
    """Returns the first time after `after` for which a run is scheduled. Raises `RPCError`."""
    for span in _SPANS:
        if times := await _times(client, schedule_id, after, after + span):
            return times[0]
        after += span
    return None


async def last_run(client: Client, schedule_id: str, before: datetime) -> datetime | None:
    """Returns the last time before `before` for which a run was scheduled. Raises `RPCError`."""
    for span in (timedelta(minutes=10), *_SPANS):
        begin = before - span
        times: list[datetime] = []
        while page := await _times(client, schedule_id, times[-1] if times else begin, before):
            times = page
            if len(page) < _LONGEST_ANSWER:
                break
        if times:
            return times[-1]
        before = begin
    return None


async def _times(client: Client, schedule_id: str, begin: datetime, end: datetime) -> list[datetime]:
    """Returns the first times after `begin` and up to `end`, in order."""
    request = ListScheduleMatchingTimesRequest(namespace=client.namespace, schedule_id=schedule_id)
    request.start_time.FromDatetime(begin)
    request.end_time.FromDatetime(end)
    response = await client.workflow_service.list_schedule_matching_times(request, timeout=RPC_TIMEOUT)
    return [each.ToDatetime(tzinfo=UTC) for each in response.start_time]


def predicted_scan(settings: Settings, after: datetime) -> datetime:
    """Returns the first time after `after` of EXPIRY_SCAN_CRON."""
    return predict(settings.expiry_scan_cron, after, ZoneInfo(settings.expiry_scan_timezone))


async def next_scan(client: Client, schedule_id: str, settings: Settings, after: datetime) -> datetime:
    """Returns when the first scan after `after` is scheduled: what Temporal says, or what the settings say if there is
    no such Schedule or no answer."""
    try:
        scheduled = await next_run(client, schedule_id, after)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            log.warning("next_scan_predicted", error=error.status.name)
        scheduled = None
    return scheduled or predicted_scan(settings, after)
