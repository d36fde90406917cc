"""Exports the metrics of this process for Prometheus, and what a metric is.

The exporter is the Temporal SDK's: one for each process, with the SDK's own metrics beside ours.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

import psutil
import structlog
from temporalio.common import MetricMeter
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from runtime.listening import ListenError, host_and_port

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Metric(ABC):
    """One metric. Each use gives a value to all of its `labels`."""

    kind: ClassVar[str]
    name: str
    """As it is scraped."""
    meaning: str
    labels: tuple[str, ...] = ()

    def _values(self, labels: Mapping[str, str]) -> dict[str, str]:
        if set(labels) != set(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}, not {tuple(labels)}")
        return dict(labels)


class Counter(Metric):
    """Counts what happened since the process started. Its name ends with `_total`."""

    kind = "counter"

    def add(self, meter: MetricMeter, value: int = 1, **labels: str) -> None:
        counter = meter.create_counter(self.name.removesuffix("_total"), self.meaning)
        counter.add(value, self._values(labels))


class Gauge(Metric):
    """A value of now."""

    kind = "gauge"

    def set(self, meter: MetricMeter, value: float, **labels: str) -> None:
        meter.create_gauge_float(self.name, self.meaning).set(value, self._values(labels))


@dataclass(frozen=True)
class Histogram(Metric):
    """How values are distributed."""

    kind = "histogram"
    buckets: Sequence[float] = ()
    """The upper ends."""

    @property
    @abstractmethod
    def given_name(self) -> str:
        """The name without the unit, which the SDK adds."""


class Durations(Histogram):
    """Durations. The name ends with `_seconds`."""

    @property
    def given_name(self) -> str:
        return self.name.removesuffix("_seconds")

    def record(self, meter: MetricMeter, value: timedelta, **labels: str) -> None:
        """Records the duration. A negative one, from clocks that differ, counts as none."""
        histogram = meter.create_histogram_timedelta(self.given_name, self.meaning, "seconds")
        histogram.record(max(value, timedelta(0)), self._values(labels))


class Sizes(Histogram):
    """Whole numbers."""

    @property
    def given_name(self) -> str:
        return self.name

    def record(self, meter: MetricMeter, value: int, **labels: str) -> None:
        meter.create_histogram(self.given_name, self.meaning).record(value, self._values(labels))


def start_exporter(address: str, metrics: Sequence[Metric]) -> Runtime:
    """Serves `/metrics` on the address until the process ends, and logs where. Port 0 takes a free one.

    Returns the runtime that the process's client must be connected with. Raises `ListenError`.
    """
    before = _listening()
    config = PrometheusConfig(
        bind_address=_numeric(address),
        counters_total_suffix=True,
        unit_suffix=True,
        durations_as_seconds=True,
        histogram_bucket_overrides={each.given_name: each.buckets for each in metrics if isinstance(each, Histogram)},
    )
    try:
        runtime = Runtime(telemetry=TelemetryConfig(metrics=config, attach_service_name=False))
    except ValueError as error:
        why = str(error).rpartition(": ")[2].partition(" (os error")[0]
        raise ListenError(f"cannot listen on {address}: {why}") from None
    # The SDK does not say which port it got.
    for host, port in sorted(_listening() - before):
        log.info("metrics_ready", host=host, port=port)
    return runtime


def _numeric(address: str) -> str:
    """Resolves the host, since the SDK takes no names. Raises `ListenError`."""
    host, port = host_and_port(address)
    try:
        ip = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0]
    except OSError as error:
        raise ListenError(f"cannot listen on {address}: {error.strerror or error}") from None
    return f"[{ip}]:{port}" if ":" in str(ip) else f"{ip}:{port}"


def _listening() -> set[tuple[str, int]]:
    """Returns where this process listens."""
    connections = psutil.Process().net_connections("tcp")
    return {(each.laddr.ip, each.laddr.port) for each in connections if each.status == psutil.CONN_LISTEN}
