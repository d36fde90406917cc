"""Starts tracing if a collector is set. Without one, nothing about tracing is even imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from settings import Settings

if TYPE_CHECKING:
    from temporal.traces import Tracing


def start_tracing(settings: Settings, service: str) -> Tracing | None:
    """Sends traces to OTEL_EXPORTER_OTLP_ENDPOINT from now on, as those of `service`. None: it is not set.

    Call it once in a process.
    """
    endpoint = settings.traces_endpoint
    if endpoint is None:
        return None
    from temporal.traces import Tracing

    return Tracing(endpoint, service)
