"""Keeps each statement on one connection to the server, behind a pooler that changes it between transactions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import ExecutionContext
from sqlalchemy.ext.asyncio import AsyncEngine


def run_in_transactions(engine: AsyncEngine) -> None:
    """Makes each statement in autocommit a transaction of its own. asyncpg prepares a statement and then executes it,
    and in between PgBouncer (`pool_mode = transaction`) would give the connection to another client."""

    @event.listens_for(engine.sync_engine, "do_execute")
    def _execute(cursor: Any, statement: str, parameters: Any, context: ExecutionContext) -> bool:
        return _in_transaction(context, lambda: cursor.execute(statement, parameters))

    @event.listens_for(engine.sync_engine, "do_executemany")
    def _execute_many(cursor: Any, statement: str, parameters: Any, context: ExecutionContext) -> bool:
        return _in_transaction(context, lambda: cursor.executemany(statement, parameters))


def _in_transaction(context: ExecutionContext, execute: Callable[[], None]) -> bool:
    """Executes in a transaction and returns True, or returns False if there is one."""
    if context.root_connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        return False
    connection: Any = context.root_connection.connection.dbapi_connection
    connection.run_async(_begin)
    try:
        execute()
    except BaseException:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            connection.run_async(_roll_back)
        raise
    connection.run_async(_commit)
    return True


async def _begin(connection: Any) -> None:
    await connection.execute("BEGIN")


async def _commit(connection: Any) -> None:
    await connection.execute("COMMIT")


async def _roll_back(connection: Any) -> None:
    await connection.execute("ROLLBACK")
