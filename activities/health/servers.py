"""Do the servers answer that the application needs: mail, Telegram, its own API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus

import httpx

from activities.alerts import operator_fault_text
from activities.attempt import current_secret
from activities.health.findings import Findings, Problem, found
from channels.base import InDoubt, NotHandedOver, OperatorFault
from channels.email import smtp
from channels.email.smtp import SmtpServer
from channels.telegram import bot_api
from contracts.queues import Channel
from settings import Settings

ANSWER_WITHIN = 10.0
"""Seconds for each server, from the connection to the last answer."""


async def mail(settings: Settings, server: Callable[[], SmtpServer]) -> Findings:
    """Connects to the mail server and logs in, as for a message."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            await smtp.probe(server())
    except OperatorFault as fault:
        return _refused(settings, Channel.EMAIL, fault)
    except (NotHandedOver, InDoubt) as trouble:
        return found(["smtp_away"], _mail_away(settings, trouble.reason))
    except TimeoutError:
        return found(["smtp_away"], _mail_away(settings, f"no answer within {ANSWER_WITHIN:g} s"))
    return found(["smtp_away"])


def _mail_away(settings: Settings, why: str) -> Problem:
    return Problem(
        "smtp_away",
        "The mail server does not answer",
        f"{settings.smtp_host}, port {settings.smtp_port}: {why}. E-mails wait and are tried again; see "
        "docs/provider-answers.md for what the answer means.\n",
    )


async def telegram_bot(settings: Settings, client: httpx.AsyncClient) -> Findings:
    """Asks Telegram whose the token is."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            token = current_secret(settings, "telegram_bot_token")
            await bot_api.get_me(client, str(settings.telegram_api_url), token)
    except OperatorFault as fault:
        return _refused(settings, Channel.TELEGRAM, fault)
    except NotHandedOver as trouble:
        if trouble.reason == f"telegram_{HTTPStatus.TOO_MANY_REQUESTS.value}":
            return found(["telegram_away"])  # it answers
        return found(["telegram_away"], _telegram_away(trouble.reason))
    except TimeoutError:
        return found(["telegram_away"], _telegram_away(f"no answer within {ANSWER_WITHIN:g} s"))
    return found(["telegram_away"])


def _telegram_away(why: str) -> Problem:
    return Problem(
        "telegram_away",
        "Telegram does not answer",
        f"TELEGRAM_API_URL: {why}. Messages wait and are tried again; see docs/provider-answers.md for what the answer "
        "means.\n",
    )


def _refused(settings: Settings, channel: Channel, fault: OperatorFault) -> Findings:
    """The same code as an attempt's alert of it: it is one problem."""
    away = "smtp_away" if channel is Channel.EMAIL else "telegram_away"
    return found([away], Problem(fault.reason, *operator_fault_text(settings, channel, fault.reason)))


async def api(settings: Settings, client: httpx.AsyncClient) -> Findings:
    """Asks the API whether it is ready."""
    examined = ["api_away", "api_not_ready"]
    url = f"{str(settings.health_api_url or settings.api_url).rstrip('/')}/readyz"
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            response = await client.get(url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return found(examined, _api_away(f"{type(error).__name__}"))
    except TimeoutError:
        return found(examined, _api_away(f"no answer within {ANSWER_WITHIN:g} s"))
    if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE and (away := _away(response)):
        return found(examined, _api_not_ready(away))
    if not response.is_success:
        return found(examined, _api_away(f"it answers with status {response.status_code}"))
    return found(examined)


def _away(response: httpx.Response) -> list[str]:
    """Which servers the API misses, as its own answer says."""
    try:
        checks = response.json()["checks"]
        return [str(name) for name, state in checks.items() if state != "ok"]
    except (ValueError, KeyError, TypeError, AttributeError):  # it is not the API that answers
        return []


def _api_away(why: str) -> Problem:
    return Problem(
        "api_away",
        "The API does not answer",
        f"/readyz at HEALTH_API_URL (or API_URL): {why}. Nobody can ask for the record or for a test; notices go out "
        "all the same. Is it running, and is this its address as the worker reaches it?\n",
    )


def _api_not_ready(away: list[str]) -> Problem:
    return Problem(
        "api_not_ready",
        "The API is not ready",
        f"It answers, and does not reach: {', '.join(away)}. Its log says why, under the event not_ready.\n",
    )
