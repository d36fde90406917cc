"""The connection pool to PostgreSQL."""

from __future__ import annotations

import asyncio
import getpass
from typing import Any

import structlog
from sqlalchemy import URL, ExceptionContext, event, make_url, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from db.errors import DATABASE_ERRORS, READ_ONLY, describe, hide_values, means_another_server, sqlstate_of
from settings import Settings, SettingsError

log = structlog.get_logger(__name__)


def database_url(settings: Settings) -> URL:
    """Returns DATABASE_URL for asyncpg; `postgresql://` and `postgres://` are accepted too. Raises `SettingsError`."""
    try:
        url = make_url(settings.database())
    except (ArgumentError, ValueError):
        raise SettingsError("DATABASE_URL: write a URL such as postgresql://user:password@host:5432/name") from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise SettingsError(f"DATABASE_URL: must be a PostgreSQL URL, not {url.get_backend_name()}")
    if url.username is None and "user" not in url.query:
        try:
            getpass.getuser()  # whom asyncpg would take
        except (KeyError, OSError):
            raise SettingsError("DATABASE_URL: names no user, and the system has no name for this one either") from None
    return url.set(drivername="postgresql+asyncpg")


def create_engine(settings: Settings, application_name: str, *, pooled: bool = True, **options: Any) -> AsyncEngine:
    """Creates an engine. Each new connection uses the current password of DATABASE_URL.

    Without `pooled`, every use opens and closes its own connection. Errors hide parameters and quoted values, which
    would reveal addresses in logs and histories. After an error that means another server, such as a write on one that
    only reads, the pool opens new connections.
    """
    pool: dict[str, Any] = {"pool_size": settings.database_pool_size, "max_overflow": 0}
    engine = create_async_engine(
        database_url(settings),
        **(pool if pooled else {"poolclass": NullPool}),
        pool_pre_ping=False,
        hide_parameters=True,
        connect_args={
            "timeout": 10,
            # PgBouncer refuses connections with other startup parameters.
            "server_settings": {"application_name": application_name, "timezone": "UTC"},
            **_statement_caches(settings.database_statement_cache_size),
        },
        **options,
    )

    @event.listens_for(engine.sync_engine, "do_connect")
    def _current_password(_dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> None:
        url = database_url(settings)
        if url.password is not None:
            parameters["password"] = url.password

    @event.listens_for(engine.sync_engine, "handle_error")
    def _look_at_error(context: ExceptionContext) -> None:
        if means_another_server(context.original_exception):
            context.is_disconnect = True
        hide_values(context.sqlalchemy_exception or context.original_exception)

    return engine


def autocommit(engine: AsyncEngine) -> AsyncEngine:
    """Returns the same pool with each statement in its own transaction. It saves BEGIN and COMMIT, two of three round
    trips."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


_READ_ONLY = text("SHOW transaction_read_only")
# It locks no row. PostgreSQL refuses it where it refuses every write.
_WRITE = text("SELECT FROM problems LIMIT 0 FOR UPDATE")


async def check_writes(engine: AsyncEngine) -> None:
    """Asks a connection of the pool whether it can write. If it is read-only, raises SQLSTATE 25006, and the pool opens
    new connections. Raises other `DATABASE_ERRORS` too."""
    async with autocommit(engine).connect() as connection:
        if await connection.scalar(_READ_ONLY) != "off":
            await connection.execute(_WRITE)


async def only_reads(work: AsyncEngine, within: float) -> bool:
    """Tests a pool: asks one connection whether it can write. If that one is broken or read-only, replaces all of them
    and asks a new one. Returns whether the new one is read-only too.

    Returns False if none is free `within` so many seconds: then the work itself meets what is wrong with them. So it
    does if the database does not answer.
    """
    refused = False
    for _ in ("old", "new"):
        try:
            async with asyncio.timeout(within):
                await check_writes(work)
        except (TimeoutError, PoolTimeout):
            return False
        except DATABASE_ERRORS as error:
            log.warning("connections_replaced", error=describe(error))
            refused = sqlstate_of(error) == READ_ONLY
        else:
            return False
    return refused


def _statement_caches(size: int) -> dict[str, Any]:
    """Returns the connection's arguments. Without caches every statement is unnamed. asyncpg executes it before it
    synchronises (Flush, not Sync), so PgBouncer does not give the server's connection away in between."""
    caches: dict[str, Any] = {"statement_cache_size": size, "prepared_statement_cache_size": size}
    return caches if size else {**caches, "prepared_statement_name_func": str}
