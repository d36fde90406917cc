"""`/healthz` and `/readyz`: whether the process is alive, and whether the servers it needs answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from http import HTTPStatus
from typing import Any, Literal

import structlog
from fastapi import APIRouter, Response
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from api.problems import problem
from api.schemas import Checks, Health, NotReady, Readiness
from db.engine import autocommit, check_writes, only_reads
from db.revision import WrongRevision, newest_revision, require_usable
from runtime.probing import NoAnswerInTime, answer_within
from temporal.readiness import check_namespace

PROBE_TIMEOUT = 2.0
"""Seconds for each server."""
POOL_TIMEOUT = 0.5
"""Seconds to wait for a connection of the pool. If all are in use, they are not looked at."""

State = Literal["ok", "away", "other_revision"]

log = structlog.get_logger(__name__)


class _Shared:
    """Asks once for all who ask at the same time: `/readyz` needs no key, and must not open connections without
    limit."""

    def __init__(self, ask: Callable[[], Coroutine[Any, Any, Checks]]) -> None:
        self._ask = ask
        self._current: asyncio.Task[Checks] | None = None

    def current(self) -> asyncio.Task[Checks]:
        if self._current is None or self._current.done():
            self._current = asyncio.create_task(self._ask())
        return self._current


def health_routes(engine: AsyncEngine, work: AsyncEngine, client: Client) -> APIRouter:
    """Returns the routes `/healthz` and `/readyz`. They require no key.

    `engine` must open a connection for each use: `/readyz` must not wait for a pool that it reports on. `work` is the
    pool of all other routes: `/readyz` tests its connections.
    """
    router = APIRouter(tags=["health"])
    newest_revision()
    said: set[str] = set()

    async def database() -> None:
        async with autocommit(engine).connect() as connection:
            newer = await require_usable(connection)
        if newer and newer not in said:
            said.add(newer)
            log.info("schema_of_a_newer_release", database=newer, code=newest_revision())
        await check_writes(engine)
        if await only_reads(work, POOL_TIMEOUT):
            raise OSError("the API's connections lead to a read-only server")

    async def temporal() -> None:
        await check_namespace(client, PROBE_TIMEOUT)

    async def check(name: str, probe: Callable[[], Awaitable[None]]) -> State:
        try:
            await answer_within(PROBE_TIMEOUT, probe)
        except NoAnswerInTime:
            log.warning("not_ready", server=name, error="no answer in time")
            return "away"
        except WrongRevision as error:
            log.warning("not_ready", server=name, error=str(error))
            return "other_revision"
        except Exception as error:  # noqa: BLE001 - whatever a probe meets, the answer says who is away
            reason = str(getattr(error, "orig", error))
            log.warning("not_ready", server=name, error=type(error).__name__, reason=reason)
            return "away"
        return "ok"

    async def check_all() -> Checks:
        states = await asyncio.gather(check("database", database), check("temporal", temporal))
        return Checks.model_validate(dict(zip(("database", "temporal"), states, strict=True)))

    asked = _Shared(check_all)

    @router.get("/healthz")
    async def healthz() -> Health:
        """Says that the process is alive."""
        return Health()

    @router.get(
        "/readyz",
        response_model=Readiness,
        responses={HTTPStatus.SERVICE_UNAVAILABLE: {"model": NotReady, "description": "Not ready"}},
    )
    async def readyz() -> Readiness | Response:
        """Asks each server that a request may need whether it answers now."""
        checks = await asyncio.shield(asked.current())
        if checks.database == checks.temporal == "ok":
            return Readiness(checks=checks)
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, "Not ready.", checks=checks.model_dump())

    return router
