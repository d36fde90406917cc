"""The API, wired from its parts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from api import problems
from api.allowed_recipients import AllowedRecipients
from api.authentication import RequireApiKey
from api.body_limit import LimitBody
from api.contents import content_routes
from api.database import Turns
from api.deliveries import delivery_routes
from api.health import health_routes
from api.notifications import notification_routes
from api.projects import project_routes
from api.starting import TestStarter
from api.unsubscribe import unsubscribe_routes
from db.engine import create_engine
from settings import Settings


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        return problems.correct_media_types(super().openapi())


def create_app(settings: Settings, engine: AsyncEngine, client: Client) -> FastAPI:
    """Creates the app. The caller keeps and closes engine and client; neither is used before the first request.
    Raises `LanguageError` and `SettingsError`."""
    # One lock makes renewals run one at a time, so that a second connection would only wait.
    renewals = Turns(at_a_time=1)
    starter = TestStarter(settings, engine, client, AllowedRecipients(settings))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await starter.drain()

    app = _Api(
        title="Expiry notifier",
        description="Shows the record of every notification, sends test notifications, renews projects and AR content.",
        version="1",
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
        # FastAPI's own would send URLs and errors as they are, wherever a variable says.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    problems.add_handlers(app)
    app.add_middleware(LimitBody)
    app.add_middleware(RequireApiKey, settings=settings)
    app.include_router(health_routes(create_engine(settings, "api-readyz", pooled=False), engine, client))
    app.include_router(notification_routes(settings, engine, client, starter))
    app.include_router(delivery_routes(engine))
    app.include_router(unsubscribe_routes(settings, engine))
    app.include_router(project_routes(engine, renewals))
    app.include_router(content_routes(engine, renewals))
    return app
