"""Configures structured logs: one event a line, with the ids of its workflow and activity, and without addresses."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog
from temporalio import activity, workflow

QUIET_LOGGERS = {
    "httpx": logging.WARNING,  # writes URLs at INFO, and a URL may hold a secret
    "httpcore": logging.WARNING,
    "temporalio.activity": logging.ERROR,  # repeats each failed attempt, which our own event already reports
    "temporalio.worker._activity": logging.ERROR,
}


Scrub = Callable[[str], str]
"""Removes addresses and secrets from a finished line, wherever they came from."""


def _add_temporal_ids(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if activity.in_activity():
        info = activity.info()
        event["activity"] = info.activity_type
        event["attempt"] = info.attempt
        event["workflow_id"] = info.workflow_id
        event["run_id"] = info.workflow_run_id
    elif workflow.in_workflow():
        event["workflow_id"] = workflow.info().workflow_id
        event["run_id"] = workflow.info().run_id
    return event


class _ScrubbingFormatter(structlog.stdlib.ProcessorFormatter):
    def __init__(self, scrub: Scrub, **options: Any) -> None:
        super().__init__(**options)
        self._scrub = scrub

    def format(self, record: logging.LogRecord) -> str:
        return self._scrub(super().format(record))


def configure_logging(log_format: str, level: str, scrub: Scrub) -> None:
    """Sends structlog's and the standard library's events to stderr in one form: `json` or `console`."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _add_temporal_ids,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if log_format == "json"
        # The default traceback shows local variables, and with them secrets and addresses.
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    final: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if log_format == "json":
        final.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_ScrubbingFormatter(scrub, foreign_pre_chain=shared, processors=[*final, renderer]))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name, least in QUIET_LOGGERS.items():
        logging.getLogger(name).setLevel(least)
