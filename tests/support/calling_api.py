"""Calling the API as an integrator does, without a network between."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from api.app import create_app
from db.engine import create_engine
from settings import Settings
from tests.support.settings_for import API_KEY, SUPPORT_EMAIL

PROBLEM = "application/problem+json"
NOBODY_LISTENS = "127.0.0.1:1"


@asynccontextmanager
async def calling(
    settings: Settings, engine: AsyncEngine, client: Client, key: str | None = API_KEY
) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of the app; its requests bear `key`."""
    transport = httpx.ASGITransport(create_app(settings, engine, client), raise_app_exceptions=False)
    headers = {} if key is None else {"X-API-Key": key}
    async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers, timeout=30) as http:
        yield http


@asynccontextmanager
async def calling_alone(key: str | None = API_KEY) -> AsyncIterator[httpx.AsyncClient]:
    """The API with neither database nor Temporal: an answer other than 503 is one that needed and started nothing."""
    settings = settings_of_nobody()
    async with calling(settings, create_engine(settings, "test"), await temporal_at(NOBODY_LISTENS), key) as http:
        yield http


def settings_of_nobody(**more: object) -> Settings:
    """What the API requires, with a database that is away."""
    away = {"database_url": f"postgresql://u:p@{NOBODY_LISTENS}/x", "support_email": SUPPORT_EMAIL, "api_keys": API_KEY}
    return Settings.load(**away, **more)


async def temporal_at(address: str) -> Client:
    """A client as `python -m api` has it: it has not connected yet."""
    return await Client.connect(address, lazy=True)


@contextmanager
def black_hole() -> Iterator[str]:
    """The address of something that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def is_problem(response: httpx.Response, status: int) -> bool:
    """Whether it is an error as RFC 9457 has it, with this status."""
    return (
        response.status_code == status
        and response.headers["Content-Type"] == PROBLEM
        and response.json()["status"] == status
        and {"type", "title"} <= response.json().keys()
    )
