"""Gives every activity a log line at start and end, a heartbeat, and errors without recipients or secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from time import perf_counter
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from temporalio import activity
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

log = structlog.get_logger(__name__)


class ActivityObserver(Interceptor):
    """Observes every activity. Pass it to the worker's `interceptors`."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _ObservedActivity(next)


class _ObservedActivity(ActivityInboundInterceptor):
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
        except (OSError, SQLAlchemyError) as error:
            log.warning("activity_failed", error_type=type(error).__name__, error=str(error), seconds=_since(started))
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
