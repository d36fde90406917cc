"""Alerts without a record while the database is away, and records the outage afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.alerts import Alerts
from activities.health.findings import DATABASE
from channels.base import InDoubt, NotHandedOver, Sender, TryAgain
from channels.configured import admin_recipients
from contracts.health import DirectAlert, OutageOver
from contracts.keys import key_of_alert
from settings import Settings

ALERT_WITHIN = 60.0
"""Seconds for one attempt at one channel."""
SUBJECT = "The database does not answer"

log = structlog.get_logger(__name__)


class OutageActivities:
    """The steps of the health check during an outage. `senders` are those of the configured channels, by name."""

    def __init__(self, settings: Settings, senders: Mapping[str, Sender], alerts: Alerts) -> None:
        self._settings = settings
        self._senders = senders
        self._alerts = alerts

    @activity.defn
    async def alert_directly(self, input: DirectAlert) -> bool:
        """Alerts the operators on one channel without a record. Returns False if that channel is not configured or has
        no admin address.

        There is no claim, so a lost answer may cause a second copy. That is acceptable for an alert.
        """
        log.error("database_away", since=input.since.isoformat(), problems=input.problems)
        sender = self._senders.get(input.channel)
        recipient = admin_recipients(self._settings).get(input.channel)
        if sender is None or recipient is None:
            return False
        try:
            async with asyncio.timeout(ALERT_WITHIN):
                await sender.alert(recipient, key_of_alert(DATABASE, input.at), SUBJECT, _message(input))
        except (NotHandedOver, InDoubt) as trouble:
            final = isinstance(trouble, NotHandedOver) and not isinstance(trouble, TryAgain)
            raise ApplicationError("Not handed over", type=trouble.reason, non_retryable=final) from None
        except TimeoutError:
            raise ApplicationError("No answer in time", type=f"{input.channel}_timeout") from None
        return True

    @activity.defn
    async def record_outage(self, input: OutageOver) -> None:
        """Opens one alert that says from when to when the database was away. May run twice."""
        await self._alerts.end_unrecorded(DATABASE, SUBJECT, input.since, input.until)


def _message(alert: DirectAlert) -> str:
    others = ", ".join(code for code in alert.problems if code != DATABASE)
    return (
        f"The worker has not reached the database at DATABASE_URL since {alert.since:%Y-%m-%d %H:%M} UTC. Until it "
        "does, nothing is sent or recorded. Nothing is lost. For the error search the worker's log for the event "
        "health_unchecked.\n\n"
        f"Other problems: {others or 'none'}.\n\n"
        "This alert is not in the record. You may get it twice.\n"
    )
