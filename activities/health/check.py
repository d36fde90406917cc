"""The health check: all probes side by side, and the alerts of what they found."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial, reduce
from operator import add

import httpx
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from activities import deactivation, due_items
from activities.alerts import Alerts
from activities.health.api import look_at_api
from activities.health.findings import Findings, Problem, bounded, unchecked
from activities.health.host import host
from activities.health.ledger import ledger
from activities.health.provider import look_at_provider
from activities.health.queues import queues
from activities.health.schedule_runs import WatchedSchedule, schedule_runs
from channels.base import Sender
from channels.registry import channels, find_channel
from contracts.health import HealthReport
from db.engine import autocommit
from db.operators import pauses
from db.operators import problems as alert_queries
from db.operators.pauses import Pause
from settings import Settings

PROBE_WITHIN = 20.0
"""Seconds for each probe; what it asks bounds itself by less."""
DATABASE = "database"
"""The problem's code. It never stands in the table of problems, which is away then."""

Look = Callable[[], Awaitable[Findings]]

RAISED_ELSEWHERE = frozenset({due_items.TOO_MANY, deactivation.TOO_MANY, deactivation.AUTO_RENEW_ENDED})
"""No probe looks for these: they last until the scan or the deactivation that raised them says that they are over."""

log = structlog.get_logger(__name__)


class HealthActivities:
    """The check and its ping. `engine` opens a connection for each use: one that a restart of the database has broken
    must not tell that it is away."""

    def __init__(
        self,
        engine: AsyncEngine,
        settings: Settings,
        client: Client,
        http: httpx.AsyncClient,
        senders: Mapping[str, Sender],
        alerts: Alerts,
        watched: Sequence[WatchedSchedule],
    ) -> None:
        self._engine = autocommit(engine)
        self._settings = settings
        self._client = client
        self._http = http
        self._alerts = alerts
        self._watched = watched
        self._senders = senders

    @activity.defn
    async def check_health(self) -> HealthReport:
        """Looks at everything once and alerts the operators of what changed. May run twice.

        With the database away there is no record to alert by: the report says so, and the workflow sees to it.
        """
        of_ledger, *rest = await asyncio.gather(self._look_at_ledger(), *self._probes())
        findings = reduce(add, rest, of_ledger)
        problems = {problem.code: problem for problem in findings.problems}
        if problems:
            log.warning("health_problems", problems=sorted(problems))
        if DATABASE not in problems:
            try:
                return await self._alert_of_changes(problems, findings.examined)
            except (SQLAlchemyError, OSError, ValueError) as error:
                log.warning("health_not_recorded", error=type(error).__name__, reason=str(error))
        return HealthReport(
            sorted({*problems, DATABASE}), database_away=True, alert_channels=[each.name for each in channels()]
        )

    def _probes(self) -> list[asyncio.Task[Findings]]:
        settings = self._settings
        looks: dict[str, Look] = {
            "api": partial(look_at_api, settings, self._http),
            "queues": partial(queues, self._client, settings),
        }
        for name, sender in self._senders.items():
            if channel := find_channel(name):
                looks[channel.name] = partial(look_at_provider, settings, channel, sender)
        looks["schedules"] = self._look_at_schedules
        looks["host"] = partial(host, settings)
        return [asyncio.create_task(bounded(unchecked(name), look, PROBE_WITHIN)) for name, look in looks.items()]

    async def _look_at_schedules(self) -> Findings:
        pause, now = await self._newest_pause(), datetime.now(UTC)
        late_after = timedelta(seconds=self._settings.scan_late_after)
        each = (schedule_runs(self._client, watched, late_after, now, pause) for watched in self._watched)
        return reduce(add, await asyncio.gather(*each), Findings())

    async def _newest_pause(self) -> Pause | None:
        try:
            async with self._engine.connect() as connection:
                return await pauses.newest(connection)
        except (SQLAlchemyError, OSError, ValueError):
            return None  # the look at the ledger says that it is away

    async def _look_at_ledger(self) -> Findings:
        async def look() -> Findings:
            async with self._engine.connect() as connection:
                return await ledger(connection, self._settings)

        return await bounded(DATABASE, look, PROBE_WITHIN)

    async def _alert_of_changes(self, problems: dict[str, Problem], examined: frozenset[str]) -> HealthReport:
        async with self._engine.connect() as connection:
            lasting = {row["code"]: row["channel"] for row in await alert_queries.lasting(connection)}
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
        """Tells the watch outside that all is well. The URL may hold a secret: neither error nor log names it."""
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
    """Whether those who looked for it did not find it. A refusal lasts while its provider cannot be asked whether it
    still refuses."""
    if code in problems or code not in examined:
        return False
    known = find_channel(channel) if channel else None
    if known is None or code == known.away_code:
        return True
    return not any(each.channel == known.name or each.code == unchecked(known.name) for each in problems.values())
