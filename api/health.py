"""`/healthz` and `/readyz`: whether the process is alive, and whether the servers it needs answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Literal

import structlog
from fastapi import APIRouter, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from api.problems import problem
from api.schemas import Checks, Health, NotReady, Readiness
from runtime.probing import NoAnswerInTime, answer_within

PROBE_TIMEOUT = 2.0
"""Seconds for each server."""

log = structlog.get_logger(__name__)


def health_routes(engine: AsyncEngine, client: Client) -> APIRouter:
    """Returns the routes `/healthz` and `/readyz`. They require no key."""
    router = APIRouter(tags=["health"])

    async def database() -> None:
        async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def temporal() -> None:
        # Not Temporal's health check: that passes with a wrong namespace or without access to it.
        await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=client.namespace), timeout=timedelta(seconds=PROBE_TIMEOUT)
        )

    async def check(name: str, probe: Callable[[], Awaitable[None]]) -> Literal["ok", "away"]:
        try:
            await answer_within(PROBE_TIMEOUT, probe)
        except NoAnswerInTime:
            log.warning("not_ready", server=name, error="no answer in time")
            return "away"
        except Exception as error:  # noqa: BLE001 - whatever a probe meets, the answer says who is away
            reason = str(getattr(error, "orig", error))
            log.warning("not_ready", server=name, error=type(error).__name__, reason=reason)
            return "away"
        return "ok"

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
        database_state, temporal_state = await asyncio.gather(check("database", database), check("temporal", temporal))
        checks = Checks(database=database_state, temporal=temporal_state)
        if database_state == temporal_state == "ok":
            return Readiness(checks=checks)
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, "Not ready.", checks=checks.model_dump())

    return router
