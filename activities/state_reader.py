"""Reads the state of the database for the metrics: one worker does it at a time, the one that holds the lease."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import chain
from time import monotonic

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio.client import Client
from temporalio.common import MetricMeter
from temporalio.service import RPCError

from activities.health.schedule_runs import WatchedSchedule, lag_of_runs
from activities.metrics import (
    IN_DOUBT,
    PROBLEMS,
    SCAN_LAG,
    STATE_READ_AT,
    STATE_READER,
    WAITING,
    channel_label,
    meter_of,
)
from channels.configured import configured_channels
from db.engine import autocommit
from db.errors import DATABASE_ERRORS, describe
from db.operators import leases, pauses, problems
from db.operators.pauses import Pause
from db.record.waiting import Cause, count_in_doubt, count_waiting
from runtime.metrics import Gauge
from settings import Settings

LEASE = "metrics_state"
READ_WITHIN = 20.0
"""Seconds for one reading."""
MISSED_READINGS = 3
"""How many readings the holder of the lease may miss before another worker takes it."""

Labels = frozenset[tuple[str, str]]

log = structlog.get_logger(__name__)


class _Gauges:
    """Gauges that this process has set. A gauge that is set stays in the exporter, so one whose cause has vanished has
    to be set to zero."""

    def __init__(self, meter: MetricMeter) -> None:
        self._meter = meter
        self._series: dict[Gauge, set[Labels]] = {}

    def set_all(self, gauge: Gauge, values: Mapping[Labels, float]) -> None:
        """Sets these series of the gauge, and all others of it to zero."""
        known = self._series.setdefault(gauge, set())
        known.update(values)
        for labels in known:
            gauge.set(self._meter, values.get(labels, 0), **dict(labels))

    def zero(self) -> None:
        for gauge in self._series:
            self.set_all(gauge, {})


class StateReader:
    """Sets the gauges of the database's state while it holds the lease. Without it they are zero, so that the sum over
    all processes is what the holder says.

    `engine` must open a connection for each use, so that it waits for none of the work's.
    """

    def __init__(
        self, engine: AsyncEngine, client: Client, settings: Settings, watched: Sequence[WatchedSchedule], name: str
    ) -> None:
        self._engine = autocommit(engine)
        self._client = client
        self._name = name
        """This process's."""
        self._watched = [each for each in watched if each.runs]
        self._interval = settings.metrics_state_interval
        self._lease = timedelta(seconds=self._interval * (MISSED_READINGS + 1))
        self._channels = configured_channels(settings)
        self._meter = meter_of(client)
        self._gauges = _Gauges(self._meter)
        self._renewed_at: float | None = None
        """When it has taken or renewed the lease, on the monotonic clock. None: another process has it."""

    async def run(self, stop: asyncio.Event) -> None:
        """Reads every METRICS_STATE_INTERVAL seconds until `stop` is set, then gives the lease back."""
        STATE_READER.set(self._meter, 0)
        while not stop.is_set():
            try:
                async with asyncio.timeout(READ_WITHIN):
                    await self._read_if_mine()
            except Exception as error:  # noqa: BLE001 - whatever it is: metrics must not end a worker
                log.warning("state_not_read", error=describe(error))
                self._step_down_if_over()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._interval)
        await self._give_back()

    async def _read_if_mine(self) -> None:
        async with self._engine.connect() as connection:
            asked_at = monotonic()
            if not await leases.take(connection, LEASE, self._name, self._lease):
                self._step_down()
                return
            if self._renewed_at is None:
                log.info("state_reader_started")
            self._renewed_at = asked_at
            await self._read(connection)
            pause = await pauses.find_newest(connection)
        STATE_READ_AT.set(self._meter, datetime.now(UTC).timestamp())
        STATE_READER.set(self._meter, 1)
        await self._read_lags(pause)

    async def _read(self, connection: AsyncConnection) -> None:
        waiting = await count_waiting(connection)
        in_doubt = await count_in_doubt(connection)
        lasting = await problems.find_lasting(connection)
        names = [channel.name for channel in self._channels]
        none_wait = [(_labels(channel=name, cause=cause), 0) for name in names for cause in Cause]
        wait = [(_labels(channel=channel_label(each.channel), cause=each.cause), each.deliveries) for each in waiting]
        none_in_doubt = [(_labels(channel=name), 0) for name in names]
        are_in_doubt = [(_labels(channel=channel_label(name)), count) for name, count in in_doubt.items()]
        known = [(_labels(problem=channel.away_code), 0) for channel in self._channels]
        last = [(_labels(problem=row["code"].partition(".")[0]), 1) for row in lasting]
        self._gauges.set_all(WAITING, _sums(none_wait, wait))
        self._gauges.set_all(IN_DOUBT, _sums(none_in_doubt, are_in_doubt))
        self._gauges.set_all(PROBLEMS, _sums(known, last))

    async def _read_lags(self, pause: Pause | None) -> None:
        """Asks Temporal how late the scheduled runs are. If it does not answer, the gauges stay as they are."""
        now = datetime.now(UTC)
        try:
            lags = [(each.schedule_id, await lag_of_runs(self._client, each, now, pause)) for each in self._watched]
        except RPCError as error:
            log.warning("scan_lag_not_read", error=error.status.name)
            return
        self._gauges.set_all(SCAN_LAG, {_labels(schedule=name): lag.total_seconds() for name, lag in lags})

    def _step_down_if_over(self) -> None:
        """Steps down if the lease has run out, since another process may have it by now."""
        if self._renewed_at is not None and monotonic() - self._renewed_at > self._lease.total_seconds():
            self._step_down()

    def _step_down(self) -> None:
        if self._renewed_at is not None:
            log.warning("state_reader_stopped")
        self._renewed_at = None
        self._gauges.zero()
        STATE_READER.set(self._meter, 0)

    async def _give_back(self) -> None:
        if self._renewed_at is None:
            return
        self._step_down()
        try:
            async with asyncio.timeout(READ_WITHIN), self._engine.connect() as connection:
                await leases.give_back(connection, LEASE, self._name)
        except (*DATABASE_ERRORS, ValueError, TimeoutError) as error:
            log.warning("lease_not_given_back", error=describe(error))


def _labels(**labels: str) -> Labels:
    return frozenset(labels.items())


def _sums(*counts: Iterable[tuple[Labels, int]]) -> dict[Labels, float]:
    """Adds up the counts of the same labels."""
    found: dict[Labels, float] = {}
    for labels, count in chain(*counts):
        found[labels] = found.get(labels, 0) + count
    return found
