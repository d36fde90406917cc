"""The health check: runs all probes in parallel and alerts the operators of what they found."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial, reduce
from operator import add

import httpx
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from activities import deactivation, due_items, faults
from activities.alerts import Alerts
from activities.health.api import look_at_api
from activities.health.connections import look_through_connections
from activities.health.findings import DATABASE, Findings, Problem, run_probe, unchecked_code
from activities.health.host import look_at_host
from activities.health.ledger import look_at_ledger
from activities.health.provider import look_at_provider
from activities.health.queues import look_at_queues
from activities.health.schedule_runs import WatchedSchedule, look_at_schedule
from activities.health.schema import look_at_schema
from activities.health.time_zones import look_at_time_zones
from activities.schedule_times import NextScan
from channels.base import Sender
from channels.registry import channels, find_channel
from contracts.health import HealthReport
from db.engine import autocommit
from db.errors import DATABASE_ERRORS, describe
from db.operators import pauses
from db.operators import problems as alert_queries
from db.operators.pauses import Pause
from settings import Settings

PROBE_WITHIN = 20.0
"""Seconds for each probe. Its own requests have shorter limits."""

Look = Callable[[], Awaitable[Findings]]

RAISED_ELSEWHERE = frozenset(
    {due_items.TOO_MANY, deactivation.TOO_MANY, deactivation.AUTO_RENEW_ENDED, faults.DATABASE_REFUSES}
)
"""No probe looks for these problems: the scan or the deactivation that raised them also ends them. A statement that
PostgreSQL refused is forgotten once nothing raises it any more."""

log = structlog.get_logger(__name__)


class HealthActivities:
    """The check and its ping. `engine` must open a connection for each use: a pooled one that broke when the database
    restarted would look as if the database were away. `work` is the pool of all other activities, which is looked
    through."""

    def __init__(
        self,
        engine: AsyncEngine,
        work: AsyncEngine,
        settings: Settings,
        client: Client,
        http: httpx.AsyncClient,
        senders: Mapping[str, Sender],
        alerts: Alerts,
        watched: Sequence[WatchedSchedule],
        next_scan: NextScan,
    ) -> None:
        self._engine = autocommit(engine)
        self._work = work
        self._settings = settings
        self._client = client
        self._http = http
        self._alerts = alerts
        self._watched = watched
        self._next_scan = next_scan
        self._senders = senders

    @activity.defn
    async def check_health(self) -> HealthReport:
        """Checks everything once and alerts the operators of changes. May run twice.

        If the database is away, it cannot alert through the record. Then the report says so, and the workflow alerts.
        """
        of_ledger, *rest = await asyncio.gather(self._look_at_ledger(), *self._probes())
        findings = reduce(add, rest, of_ledger)
        problems = {problem.code: problem for problem in findings.problems}
        if problems:
            log.warning("health_problems", problems=sorted(problems))
        if DATABASE not in problems:
            try:
                return await self._alert_of_changes(problems, findings.examined)
            except (*DATABASE_ERRORS, ValueError) as error:
                log.warning("health_not_recorded", error=describe(error), reason=str(error))
        return HealthReport(
            sorted({*problems, DATABASE}), database_away=True, alert_channels=[each.name for each in channels()]
        )

    def _probes(self) -> list[asyncio.Task[Findings]]:
        settings = self._settings
        looks: dict[str, Look] = {
            "api": partial(look_at_api, settings, self._http),
            "database_connections": partial(look_through_connections, self._work),
            "queues": partial(look_at_queues, self._client, settings),
            "schema": partial(look_at_schema, self._engine),
        }
        for name, sender in self._senders.items():
            if channel := find_channel(name):
                looks[channel.name] = partial(look_at_provider, settings, channel, sender)
        looks["schedules"] = self._look_at_schedules
        looks["host"] = partial(look_at_host, settings)
        return [
            asyncio.create_task(run_probe(unchecked_code(name), look, PROBE_WITHIN)) for name, look in looks.items()
        ]

    async def _look_at_schedules(self) -> Findings:
        pause, now = await self._newest_pause(), datetime.now(UTC)
        late_after = timedelta(seconds=self._settings.scan_late_after)
        each = (look_at_schedule(self._client, watched, late_after, now, pause) for watched in self._watched)
        return reduce(add, await asyncio.gather(*each), Findings())

    async def _newest_pause(self) -> Pause | None:
        try:
            async with self._engine.connect() as connection:
                return await pauses.find_newest(connection)
        except (*DATABASE_ERRORS, ValueError):
            return None  # the probe of the record reports that the database is away

    async def _look_at_ledger(self) -> Findings:
        next_scan = await self._next_scan(datetime.now(UTC))

        async def look() -> Findings:
            async with self._engine.connect() as connection:
                of_record = await look_at_ledger(connection, self._settings, next_scan)
                return of_record + await look_at_time_zones(connection, datetime.now(UTC))

        return await run_probe(DATABASE, look, PROBE_WITHIN)

    async def _alert_of_changes(self, problems: dict[str, Problem], examined: frozenset[str]) -> HealthReport:
        async with self._engine.connect() as connection:
            lasting = {row["code"]: row["channel"] for row in await alert_queries.find_lasting(connection)}
        raised = [
            code
            for code, problem in problems.items()
            if await self._alerts.raise_problem(code, problem.subject, problem.message, problem.channel)
        ]
        over = [
            code
            for code, channel in lasting.items()
            if is_over(code, channel, problems, examined) and await self._alerts.end_problem(code)
        ]
        await self._alerts.start_unstarted()
        return HealthReport(sorted({*problems, *RAISED_ELSEWHERE.intersection(lasting)}), sorted(raised), sorted(over))

    @activity.defn
    async def ping(self) -> None:
        """Tells the external monitor that all is well. The URL may contain a secret, so no error or log shows it."""
        url = self._settings.health_ping_url
        if url is None:
            return
        try:
            response = await self._http.get(str(url))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ApplicationError("HEALTH_PING_URL does not answer", type=type(error).__name__) from None
        if not response.is_success:
            raise ApplicationError(f"HEALTH_PING_URL answers with status {response.status_code}", type="ping_refused")


def is_over(code: str, channel: str | None, problems: Mapping[str, Problem], examined: frozenset[str]) -> bool:
    """Whether a problem is over: a probe looked for it and did not find it. While a provider cannot be asked, its
    refusals last."""
    if code in problems or code not in examined:
        return False
    known = find_channel(channel) if channel else None
    if known is None or code == known.away_code:
        return True
    return not any(each.channel == known.name or each.code == unchecked_code(known.name) for each in problems.values())
