"""Checks whether the application's own API answers."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import httpx

from activities.health.findings import Findings, Problem, found
from settings import Settings

ANSWER_WITHIN = 10.0
"""Seconds, from the connection to the answer."""


async def look_at_api(settings: Settings, client: httpx.AsyncClient) -> Findings:
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
        return found(examined, _api_away(f"the answer has status {response.status_code}"))
    return found(examined)


def _away(response: httpx.Response) -> list[str]:
    """Returns the servers that the API reports as away or as unfit for use."""
    try:
        checks = response.json()["checks"]
        return [
            str(name) if state == "away" else f"{name} ({state})" for name, state in checks.items() if state != "ok"
        ]
    except (ValueError, KeyError, TypeError, AttributeError):  # something other than the API answered
        return []


def _api_away(why: str) -> Problem:
    return Problem(
        "api_away",
        "The API does not answer",
        f"/readyz at HEALTH_API_URL (or API_URL): {why}. The record, tests and unsubscribe links do not work. "
        "Notifications are still sent. Check that the API runs, and that the worker reaches it at this URL.\n",
    )


def _api_not_ready(away: list[str]) -> Problem:
    return Problem(
        "api_not_ready",
        "The API is not ready",
        f"The API answers, but cannot use: {', '.join(away)}. To see why, search its log for the event not_ready.\n",
    )
