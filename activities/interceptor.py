"""Gives every activity a log line at start and end, a heartbeat, and errors without recipients or secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from time import perf_counter
from typing import Any

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.alerts import Alerts
from activities.faults import alert_database_fault
from db.errors import DATABASE_ERRORS, describe

log = structlog.get_logger(__name__)


class ActivityObserver(Interceptor):
    """Observes every activity, and alerts the operators of errors of the database that do not go away by waiting. Pass
    it to the worker's `interceptors`."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _ObservedActivity(next, self._alerts)


class _ObservedActivity(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, alerts: Alerts) -> None:
        super().__init__(next)
        self._alerts = alerts

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        structlog.contextvars.clear_contextvars()
        notification_id = getattr(input.args[0], "notification_id", None) if input.args else None
        if notification_id is not None:
            structlog.contextvars.bind_contextvars(notification_id=notification_id)
        started = perf_counter()
        log.info("activity_started")
        try:
            result = await _with_heartbeat(super().execute_activity(input))
        except (asyncio.CancelledError, CancelledError):
            log.warning("activity_cancelled", seconds=_since(started))
            raise
        except ApplicationError as error:
            log.warning("activity_failed", error_type=error.type, seconds=_since(started))
            raise
        except DATABASE_ERRORS as error:
            # PostgreSQL's text is without values (`hide_values`).
            log.warning("activity_failed", error_type=describe(error), error=str(error), seconds=_since(started))
            await alert_database_fault(self._alerts, error)
            raise ApplicationError(
                "Database or network error: see the worker's log", type=type(error).__name__
            ) from None
        except Exception as error:
            # An unexpected error's text may quote a recipient or a secret. It goes to the log, which is scrubbed, and
            # never into the history.
            log.exception("activity_failed", error_type=type(error).__name__, seconds=_since(started))
            raise ApplicationError(
                "Unexpected error: see the worker's log under this workflow's id",
                type=type(error).__name__,
            ) from None
        log.info(
            "activity_completed",
            status=getattr(result, "status", None),
            reason=getattr(result, "reason", None),
            seconds=_since(started),
        )
        return result


def _since(started: float) -> float:
    return round(perf_counter() - started, 4)


async def _with_heartbeat(work: Coroutine[Any, Any, Any]) -> Any:
    """Runs `work` and sends heartbeats meanwhile, so that a dead worker is noticed and a cancellation arrives."""
    timeout = activity.info().heartbeat_timeout
    if timeout is None:
        return await work
    heartbeat = asyncio.create_task(_heartbeat(timeout.total_seconds() / 3))
    try:
        return await work
    finally:
        heartbeat.cancel()
        with suppress(asyncio.CancelledError):
            await heartbeat


async def _heartbeat(interval: float) -> None:
    while True:
        await asyncio.sleep(interval)
        activity.heartbeat()
