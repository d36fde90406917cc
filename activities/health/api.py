"""Whether the application's own API answers."""

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
