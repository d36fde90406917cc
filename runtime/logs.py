"""Configures structured logs: one event a line, with the ids of its workflow and activity, and without addresses."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import structlog
from temporalio import activity, workflow

QUIET_LOGGERS = {
    "httpx": logging.WARNING,  # writes URLs at INFO, and a URL may hold a secret
    "httpcore": logging.WARNING,
    "temporalio.activity": logging.ERROR,  # repeats each failed attempt, which our own event already reports
    "temporalio.worker._activity": logging.ERROR,
}


LONGEST_VALUE = 10_000
"""Characters of one value in a log line."""
_OWN_VALUES = frozenset({"timestamp", "level", "logger"})

Scrub = Callable[[str], str]
"""Removes addresses and secrets from a text, wherever it came from."""


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


class _ScrubValues:
    """Cuts and scrubs each value of an event before anything renders it: in a rendered line, an escaped quote no
    longer shows where a value begins."""

    def __init__(self, scrub: Scrub) -> None:
        self._scrub = scrub

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {name: value if name in _OWN_VALUES else self._scrubbed(value) for name, value in event.items()}

    def _scrubbed(self, value: object) -> object:
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return self._text(value)
            case Mapping():
                return {str(self._scrubbed(str(name))): self._scrubbed(each) for name, each in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._scrubbed(each) for each in value]
            case _:
                return self._text(repr(value))

    def _text(self, text: str) -> str:
        # Cut twice: the first cut may halve an address, and the second removes that place.
        return cut(self._scrub(cut(text, 4 * LONGEST_VALUE)), LONGEST_VALUE)


def cut(text: str, longest: int) -> str:
    """Returns the text, or about `longest` characters of it: its beginning and its end."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]} [... {len(text) - 2 * half} characters ...] {text[-half:]}"


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
    final: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        _ScrubValues(scrub),
    ]
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
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[*final, renderer]))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name, least in QUIET_LOGGERS.items():
        logging.getLogger(name).setLevel(least)
