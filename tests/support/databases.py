"""The databases of the test servers that have a name, and what is done to a server from beside them."""

from __future__ import annotations

import asyncpg

from local.embedded.postgres import EmbeddedPostgres

TEMPLATE = "template_migrated"
"""Migrated and empty: a test's database is a copy of it."""
OWN_DATABASE = "away"
"""On a server of the test's own."""


async def administer(server: EmbeddedPostgres, statement: str) -> None:
    """Runs it in another database of the server."""
    connection = await asyncpg.connect(server.database_url().replace("+asyncpg", "", 1))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
