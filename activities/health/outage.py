"""What can be done while the database is away: alert without a record, and write it down afterwards."""

from __future__ import annotations

import asyncio
import html
import ssl
from functools import partial
from socket import getfqdn

import httpx
import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.alerts import Alerts
from activities.attempt import current_secret
from activities.email import mail_server
from activities.health.check import DATABASE
from channels.base import InDoubt, NotHandedOver, TryAgain
from channels.email import smtp
from channels.email.composing import compose
from channels.email.smtp_pool import PoolLimits, SmtpPool
from channels.telegram import bot_api
from contracts.health import DirectAlert, OutageOver
from contracts.keys import key_of_alert
from contracts.queues import Channel
from settings import Settings
from texts.renderer import RenderedEmail

ALERT_WITHIN = 60.0
"""Seconds for one attempt at one channel."""
SUBJECT = "The database does not answer"

log = structlog.get_logger(__name__)


class OutageActivities:
    """For the workflow of the health check."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient, alerts: Alerts) -> None:
        self._settings = settings
        self._http = http
        self._alerts = alerts
        self._tls = ssl.create_default_context(cafile=settings.smtp_tls_ca_file)
        self._local_hostname = getfqdn()

    @activity.defn
    async def alert_directly(self, input: DirectAlert) -> bool:
        """Alerts the admin over one channel without a record. False: there is no such channel, or no admin on it.

        There is no claim either: an answer that gets lost may mean a second copy. Of an alert that is well.
        """
        log.error("database_away", since=input.since.isoformat(), problems=input.problems)
        subject, message = _text(input)
        try:
            async with asyncio.timeout(ALERT_WITHIN):
                if input.channel is Channel.EMAIL:
                    return await self._mail(subject, message, key_of_alert(DATABASE, input.at))
                return await self._message(subject, message)
        except (NotHandedOver, InDoubt) as trouble:
            final = isinstance(trouble, NotHandedOver) and not isinstance(trouble, TryAgain)
            raise ApplicationError("Not handed over", type=trouble.reason, non_retryable=final) from None
        except TimeoutError:
            raise ApplicationError("No answer in time", type=f"{input.channel}_timeout") from None

    async def _mail(self, subject: str, message: str, key: str) -> bool:
        settings = self._settings
        if not settings.email_configured or settings.admin_email is None:
            return False
        mail = compose(settings, None, key, settings.admin_email, RenderedEmail(subject, message, None))
        server = partial(mail_server, settings, self._tls, self._local_hostname)
        connections = SmtpPool(lambda: smtp.connect(server()), PoolLimits(connections=1, messages=1, idle=1))
        await smtp.send(connections, mail, settings.sender, settings.admin_email, _unrecorded)
        return True

    async def _message(self, subject: str, message: str) -> bool:
        settings = self._settings
        if not settings.telegram_configured or settings.telegram_admin_chat_id is None:
            return False
        await bot_api.send(
            self._http,
            str(settings.telegram_api_url),
            current_secret(settings, "telegram_bot_token"),
            settings.telegram_admin_chat_id,
            f"<b>{html.escape(subject)}</b>\n\n{html.escape(message)}",
            _unrecorded,
        )
        return True

    @activity.defn
    async def record_outage(self, input: OutageOver) -> None:
        """Opens the one alert that says from when to when the database was away. May run twice."""
        await self._alerts.end_unrecorded(DATABASE, SUBJECT, input.since, input.until)


async def _unrecorded() -> None:
    """There is nowhere to write that it is about to be sent."""


def _text(alert: DirectAlert) -> tuple[str, str]:
    others = ", ".join(code for code in alert.problems if code != DATABASE)
    return (
        SUBJECT,
        f"Since {alert.since:%Y-%m-%d %H:%M} UTC the worker cannot use it at DATABASE_URL. Nobody is sent anything and "
        "nothing is recorded until it can; nothing is lost. The worker's log has the error, under the event "
        "health_unchecked.\n\n"
        f"Found besides: {others or 'nothing'}.\n\n"
        "This alert is not in the record, and you may get it twice.\n",
    )
