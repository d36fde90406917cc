"""The connection pool to PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from settings import Settings, SettingsError


def database_url(settings: Settings) -> URL:
    """Returns DATABASE_URL for asyncpg; `postgresql://` and `postgres://` are accepted too. Raises `SettingsError`."""
    try:
        url = make_url(settings.database())
    except (ArgumentError, ValueError):
        raise SettingsError("DATABASE_URL: write a URL such as postgresql://user:password@host:5432/name") from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise SettingsError(f"DATABASE_URL: must be a PostgreSQL URL, not {url.get_backend_name()}")
    return url.set(drivername="postgresql+asyncpg")


def create_engine(settings: Settings, application_name: str, *, pooled: bool = True, **options: Any) -> AsyncEngine:
    """Creates an engine. Each new connection uses the current password of DATABASE_URL.

    Without `pooled`, every use opens and closes its own connection. Error messages hide parameters, which would reveal
    addresses in logs and histories.
    """
    pool: dict[str, Any] = {"pool_size": settings.database_pool_size, "max_overflow": 0}
    engine = create_async_engine(
        database_url(settings),
        **(pool if pooled else {"poolclass": NullPool}),
        pool_pre_ping=False,
        hide_parameters=True,
        connect_args={
            "timeout": 10,
            "server_settings": {"application_name": application_name, "timezone": "UTC"},
        },
        **options,
    )

    @event.listens_for(engine.sync_engine, "do_connect")
    def _current_password(_dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> None:
        url = database_url(settings)
        if url.password is not None:
            parameters["password"] = url.password

    return engine


def autocommit(engine: AsyncEngine) -> AsyncEngine:
    """Returns the same pool with each statement in its own transaction. It saves BEGIN and COMMIT, two of three round
    trips."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")
