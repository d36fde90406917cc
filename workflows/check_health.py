"""The health check: examines the system and alerts the operators, even while the database is away."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.health.check import HealthActivities
    from activities.health.outage import OutageActivities
    from contracts.health import CheckHealthInput, DirectAlert, HealthReport, Outage, OutageOver
    from contracts.sending import ALWAYS_DELIVERED, HEARTBEAT_TIMEOUT
    from workflows import retry_policies

CHECK_TIMEOUT = timedelta(minutes=1)
DIRECT_ALERT_TIMEOUT = timedelta(seconds=75)
PING_TIMEOUT = timedelta(seconds=30)


@workflow.defn
class CheckHealthWorkflow:
    """Runs one check. It alerts problems through the record, which knows what was alerted before.

    While the database is away there is no record. Then this workflow keeps running until the database is back. It
    remembers since when that is, and when the operators were alerted last. The Schedule's SKIP prevents other checks
    meanwhile.
    """

    @workflow.run  # noqa: RET503 - continue_as_new does not return
    async def run(self, input: CheckHealthInput) -> HealthReport:
        outage = input.outage
        for _ in range(input.looks_per_run):
            began = workflow.now()
            report = await self._look(outage)
            if not report.database_away:
                if outage is not None:
                    await self._record(outage)
                if input.ping and not report.problems:
                    await self._ping()
                return report
            if input.once:
                return report
            outage = await self._alert(input, outage or Outage(began), report)
            await workflow.sleep(input.interval, summary="Wait for the database")
        workflow.continue_as_new(replace(input, outage=outage))

    async def _look(self, outage: Outage | None) -> HealthReport:
        return await workflow.execute_activity_method(
            HealthActivities.check_health,
            start_to_close_timeout=CHECK_TIMEOUT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=retry_policies.DATABASE,
            summary="Check everything" if outage is None else "Check whether the database is back",
        )

    async def _alert(self, input: CheckHealthInput, outage: Outage, report: HealthReport) -> Outage:
        """Alerts without a record, once in each cooldown. An alert that reached no one is repeated at the next look."""
        now = workflow.now()
        if outage.alerted_at is not None and now - outage.alerted_at < timedelta(seconds=input.alert_cooldown):
            return outage
        channels = report.alert_channels or ALWAYS_DELIVERED
        alerts = (DirectAlert(channel, outage.since, now, report.problems) for channel in channels)
        reached = await asyncio.gather(*(self._alert_directly(each) for each in alerts))
        return replace(outage, alerted_at=now) if any(reached) else outage

    async def _alert_directly(self, alert: DirectAlert) -> bool:
        try:
            return await workflow.execute_activity_method(
                OutageActivities.alert_directly,
                alert,
                start_to_close_timeout=DIRECT_ALERT_TIMEOUT,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=retry_policies.DIRECT_ALERT,
                summary=f"Alert by {alert.channel}, without the database",
            )
        except ActivityError:
            return False

    async def _record(self, outage: Outage) -> None:
        await workflow.execute_activity_method(
            OutageActivities.record_outage,
            OutageOver(outage.since, workflow.now()),
            start_to_close_timeout=CHECK_TIMEOUT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=retry_policies.DATABASE,
            summary="Record that the database was away",
        )

    async def _ping(self) -> None:
        with suppress(ActivityError):  # the worker's log has the error; the monitor misses the call
            await workflow.execute_activity_method(
                HealthActivities.ping,
                start_to_close_timeout=PING_TIMEOUT,
                retry_policy=retry_policies.PING,
                summary="Tell the external monitor that all is well",
            )
